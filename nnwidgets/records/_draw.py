"""What an experiment found, as HTML: the answer, the pictures, the table."""

from __future__ import annotations

import html

from ._exploration import SHOWN, Exploration, Grid, Plot, cell_words
from ._svg_axes import SIZE, WIDTH
from ._svg_grid import grid_svg
from ._svg_plot import legend, plot_svg
from ._words import duration

_SIGNS = {
    "ok": ("✓", "#2f9e64"),
    "suspicious": ("!", "#c98a12"),
    "wrong": ("✗", "#e5484d"),
    "unknown": ("\u2013", "inherit"),
}


def exploration_html(found: Exploration) -> str:
    """All of it, with nothing to load; words from the model and the data are escaped."""
    sign, colour = _SIGNS.get(found.verdict, ("", "inherit"))
    cut = "" if found.complete else "<b>stopped early: this is what was measured.</b> "
    parts = [
        f'<div style="margin:2px 0 6px;max-width:62em"><b style="color:{colour}">{sign} {html.escape(found.name)}</b> '
        f"{cut}{html.escape(found.answer)}</div>",
        f'<div style="display:flex;flex-wrap:wrap;gap:14px">{"".join(map(_picture, found.pictures))}</div>',
        _table(found),
    ]
    if found.caution:
        parts.append(
            f'<div style="margin:6px 0;max-width:62em;opacity:.8"><b>Caution.</b> {html.escape(found.caution)}</div>'
        )
    if found.seconds:
        about = f"at step {found.step:,}, in {duration(found.seconds)}; told before: {found.cost}"
        parts.append(f'<div style="font-size:{SIZE};opacity:.7">{html.escape(about)}</div>')
    return f'<div class="nnw-exploration">{"".join(parts)}</div>'


def _picture(picture: Plot | Grid) -> str:
    drawn = grid_svg(picture) if isinstance(picture, Grid) else plot_svg(picture) + legend(picture)
    title = f'<div style="font-weight:600;font-size:{SIZE};margin:2px 0">{html.escape(picture.title)}</div>'
    return f'<div style="width:{WIDTH}px;max-width:100%">{title}{drawn}</div>'


def _table(found: Exploration) -> str:
    if not found.columns:
        return ""
    style = "padding:1px 12px 1px 0;text-align:left;font-variant-numeric:tabular-nums"
    head = "".join(f'<th scope="col" style="{style}">{html.escape(column)}</th>' for column in found.columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{style}">{html.escape(cell_words(cell))}</td>' for cell in row) + "</tr>"
        for row in found.rows[:SHOWN]
    )
    more = f"<div>and {len(found.rows) - SHOWN} more rows: to_pandas()</div>" if len(found.rows) > SHOWN else ""
    return (
        f'<div style="overflow-x:auto;margin-top:4px"><table style="border-collapse:collapse;font-size:{SIZE}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}</div>"
    )
