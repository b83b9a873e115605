"""Where the run stands: a line of numbers, and below it a line of words."""

from __future__ import annotations

import re

from nnwidgets.records import Status

from ._text import escape
from ._theme import number


def status_line(status: Status, pending: str = "") -> str:
    """State, step, progress, speed and time left; below, news for the user and what watching costs; as HTML.

    Both lines are always there, so that the panels below do not move when something is said.

    Args:
        status: where the run stands.
        pending: what the user has just asked for and the loop has not done yet.
    """
    parts = [f'<span class="nnw-state nnw-{status.state}">{status.state}</span>', f"<span>{_steps(status)}</span>"]
    if status.target:
        share = min(100.0, 100.0 * status.step / status.target)
        told = f'role="progressbar" aria-label="steps of this run" aria-valuenow="{share:.0f}" title="{share:.0f} %"'
        parts.append(f'<div class="nnw-progress" {told}><div style="width:{share:.1f}%"></div></div>')
    if status.steps_per_second and status.state in ("running", "paused"):
        parts.append(f"<span>{speed_words(status.steps_per_second)}</span>")
    if status.seconds_left is not None and status.state == "running":
        parts.append(f"<span>{about(status.seconds_left)} left</span>")
    words = []
    message = " · ".join(text for text in (pending, news(status)) if text)
    if message:
        words.append(f'<span class="nnw-message">{escape(message)}</span>')
    if status.multiplier != 1.0:
        words.append(f"<span>learning rate \u00d7 <b>{number(status.multiplier)}</b></span>")
    words.append(f'<span class="nnw-note" title="{escape(_cadence(status))}">{watching_words(status)}</span>')
    return f'<div class="nnw-status">{"".join(parts)}</div><div class="nnw-status">{"".join(words)}</div>'


def about(seconds: float) -> str:
    """A time that is not known to the second, in words.

    Example:
        >>> about(4), about(33), about(80), about(170), about(5000)
        ('a few seconds', 'about 30 seconds', 'about 1 minute', 'about 3 minutes', 'about 1 hour 20 minutes')
    """
    if seconds < 10:
        return "a few seconds"
    if seconds < 55:
        return f"about {round(seconds, -1):.0f} seconds"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"about {_count(minutes, 'minute')}"
    # to ten minutes, and to whole hours in a run of a day
    hours, rest = divmod(round(minutes, -1), 60)
    return f"about {_count(hours, 'hour')}" + (f" {rest} minutes" if rest and hours < 10 else "")


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def news(status: Status) -> str:
    """The message, without the state and the step that already stand before it.

    Example:
        >>> news(Status("paused", 10, message="paused: step 10 at step 10; session.run() goes on"))
        'step 10; session.run() goes on'
    """
    message = re.sub(rf" at step {status.step}(?=;|$)", "", status.message)
    return re.sub(rf"^{status.state}([:;,] *|$)", "", message)


def watching_words(status: Status) -> str:
    """How often the run is read, and what that adds to a step's time."""
    every = [step for step in (status.probe_every or {}).values() if step]
    if not every:
        return "not reading" if status.probe_every else ""
    added = f"{number(1e3 * status.watching_seconds, 2)} ms ({number(100 * status.watching_share, 2)} %)"
    return f"reading {_each(min(every))}, which adds {added} to a step"


def _steps(status: Status) -> str:
    total = f" / {status.target:,}" if status.target else ""
    return f"step <b>{status.step:,}</b>{total}"


def speed_words(steps_per_second: float) -> str:
    """How fast it goes."""
    if steps_per_second >= 1:
        return f"{number(steps_per_second)} steps/s"
    return f"{number(1 / steps_per_second)} s a step"


def _cadence(status: Status) -> str:
    cadence = "; ".join(f"{kind}: {_each(every)}" for kind, every in (status.probe_every or {}).items())
    redraw = f"; a redraw takes {number(1e3 * status.redraw_seconds, 2)} ms of the run" if status.redraw_seconds else ""
    return f"{cadence}. Watching may add the budget's share of a step, or 0.3 ms where that is more{redraw}."


def _each(every: int) -> str:
    """Example: ``every step``, ``every 12th step``."""
    if every < 2:
        return "every step" if every else "off"
    ending = "th" if 10 <= every % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(every % 10, "th")
    return f"every {every:,}{ending} step"
