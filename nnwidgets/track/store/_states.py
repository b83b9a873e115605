"""The state that a run ended with, and the best one, as files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnwidgets.train import Session

# Bytes that the states of all runs of a store may take together: the oldest go first.
LIMIT = 4_000_000_000
NAMES = ("final", "best")


def write(folder: Path, name: str, saved: Any) -> Path:
    """Write the state ``params, state, opt_state`` after ``step`` updates beside, and rename it."""
    from nnwidgets.train import write_state

    folder.mkdir(parents=True, exist_ok=True)
    part, target = folder / f".{name}.npz", folder / f"{name}.npz"
    write_state(part, saved)
    os.replace(part, target)
    _make_room(folder.parent, target)
    return target


def restore(folder: Path, name: str, session: Session) -> Session:
    """Put what `write` wrote into a session of the same model and optimizer.

    Raises:
        ValueError: it was not kept, or is of another form.
    """
    from nnwidgets.train import Saved, read_state

    path = folder / f"{name}.npz"
    if name not in NAMES or not path.is_file():
        kept = ", ".join(each for each in NAMES if (folder / f"{each}.npz").is_file()) or "none"
        raise ValueError(
            f"no state {name!r} is kept of this run; kept: {kept}. The best one is kept where there is validation=, and the "
            f"oldest ones go when all take more than {LIMIT / 1e9:g} GB."
        )
    found = read_state(path, Saved(session.step, session.params, session.state, session.opt_state))
    session.params, session.state, session.opt_state = found.params, found.state, found.opt_state
    return session


def _make_room(runs: Path, newest: Path) -> None:
    """Remove the oldest states beyond the limit, never the one just written."""
    files = [path for name in NAMES for path in runs.glob(f"*/{name}.npz") if path != newest]
    known = [(path.stat().st_mtime, path.stat().st_size, path) for path in files]
    room = LIMIT - newest.stat().st_size
    for _, size, path in sorted(known, reverse=True):
        room -= size
        if room < 0:
            path.unlink(missing_ok=True)
