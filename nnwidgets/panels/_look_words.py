"""What the network answered to one example, in a line."""

from __future__ import annotations

from nnwidgets.records import Example, Look

from ._text import escape
from ._theme import number


def headline(look: Look) -> str:
    """Right or wrong, the target, the answer, the loss, and the step of the run."""
    example = look.example
    parts = [] if example is None else _answer(example)
    parts += [f'<span class="nnw-note">step {look.step:,}, {number(look.seconds, 2)} s</span>']
    return f'<div class="nnw-look">{"".join(parts)}</div>'


def _answer(example: Example) -> list[str]:
    sure = "" if example.confidence is None else f" with {_percent(example.confidence)}"
    parts = [f"<span>example <b>{example.index:,}</b></span>"]
    if example.right is not None:
        kind, words = ("nnw-right", "✓ right") if example.right else ("nnw-alarm", "✗ wrong")
        parts.insert(0, f'<b class="{kind}">{words}</b>')
    parts += [f"<span>target <b>{escape(example.target)}</b></span>"] if example.target else []
    parts += [f"<span>predicted <b>{escape(example.prediction)}</b>{sure}</span>"] if example.prediction else []
    if example.loss == example.loss:
        parts.append(f"<span>loss <b>{number(example.loss)}</b></span>")
    else:
        parts.append('<span>loss <b class="nnw-alarm">NaN</b>, or not known for one example</span>')
    return parts


def _percent(share: float) -> str:
    """Example: 99.96 % is not 100 %."""
    if share != share:
        return "NaN %"
    text = f"{100 * share:.1f}" if 0.99 < share < 1 or share < 0.1 else f"{100 * share:.0f}"
    return f"{'> 99.9' if text == '100.0' else text} %"
