"""A session's timeline in a folder that survives being killed at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from array import array
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.records import History
from nnwidgets.trace import is_key

from ._timeline import Saved, Timeline

FORMAT = 2
_NAME = "timeline-"
_MINE = re.compile(_NAME + r"\d{6}(\.part)?")


def write(folder: str | os.PathLike[str], timeline: Timeline, history: History, **about: Any) -> Path:
    """Write everything into a folder of its own inside `folder`, give it its name when it is complete, then remove older ones.

    Args:
        folder: made if it is not there.
        timeline: its states, losses and multipliers.
        history: as it is.
        about: what else is to be kept; JSON.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    number = max((int(each.name[-6:]) for each in _complete(target)), default=0) + 1
    beside = target / f"{_NAME}{number:06d}.part"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    history.save(beside / "history.npz")
    for step in timeline.steps:
        saved = timeline.nearest(step)
        assert saved is not None
        write_state(beside / f"state_{step}.npz", saved)
    newest = timeline.nearest(timeline.steps[-1])
    assert newest is not None
    about |= {"form": form(newest)}
    text = json.dumps({"format": FORMAT, "steps": timeline.steps, "multipliers": timeline.multipliers, **about})
    np.save(beside / "losses.npy", np.array(timeline.losses, np.float32))
    (beside / "about.json").write_text(text, encoding="utf-8")
    for path in (*beside.iterdir(), beside):
        _flush(path)
    done = beside.rename(target / f"{_NAME}{number:06d}")
    _flush(target)
    for each in target.glob(f"{_NAME}*"):
        # nothing but what this function made
        if each != done and _MINE.fullmatch(each.name):
            shutil.rmtree(each, ignore_errors=True)
    return done


@dataclass(frozen=True)
class Stored:
    """What `read` found.

    Attributes:
        about: what `write` was given.
        states: ascending.
    """

    about: dict[str, Any]
    states: list[Saved]
    losses: array[float]
    multipliers: list[tuple[int, float]]
    history: History


def read(folder: str | os.PathLike[str], like: Saved) -> Stored:
    """The newest complete folder inside `folder`.

    Args:
        folder: what `write` was given.
        like: a state of the same form.

    Raises:
        ValueError: nothing complete is there, or its states have another form.
    """
    complete = _complete(Path(folder))
    if not complete:
        raise ValueError(
            f"{Path(folder).resolve()} holds no saved timeline: give the folder that session.save was given."
        )
    newest = complete[-1]
    about = json.loads((newest / "about.json").read_text(encoding="utf-8"))
    if about["format"] != FORMAT:
        raise ValueError(
            f"{newest} has format {about['format']}; this nnwidgets reads {FORMAT}. Save it anew with this one."
        )
    _check_form(about["form"], like, newest.parent)
    return Stored(
        about,
        [read_state(newest / f"state_{step}.npz", like) for step in about["steps"]],
        array("f", np.load(newest / "losses.npy").tobytes()),
        [(step, value) for step, value in about["multipliers"]],
        History.load(newest / "history.npz"),
    )


def form(saved: Saved) -> list[str]:
    """The arrays of a state, in words."""
    leaves = jax.tree_util.tree_leaves_with_path((saved.params, saved.state, saved.opt_state))
    names = ("params", "state", "optimizer")
    return [
        f"{names[path[0].idx]}{jax.tree_util.keystr(path[1:])} {_plain(leaf).dtype}{list(_plain(leaf).shape)}"
        for path, leaf in leaves
    ]


def _complete(folder: Path) -> list[Path]:
    found = folder.glob(f"{_NAME}*") if folder.is_dir() else []
    return sorted(each for each in found if _MINE.fullmatch(each.name) and each.suffix != ".part")


def write_state(path: Path, saved: Saved) -> None:
    """Write a state as one ``.npz``, its arrays as bytes: NumPy's files have no word for bfloat16."""
    leaves = jax.tree.leaves((saved.params, saved.state, saved.opt_state))
    arrays = {f"leaf{i}": np.frombuffer(_plain(leaf).tobytes(), np.uint8) for i, leaf in enumerate(leaves)}
    arrays["about"] = np.frombuffer(json.dumps({"step": saved.step, "form": form(saved)}).encode(), np.uint8)
    np.savez(path, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]


def read_state(path: Path, like: Saved) -> Saved:
    """What `write_state` wrote.

    Raises:
        ValueError: it has another form than `like`.
    """
    leaves, structure = jax.tree.flatten((like.params, like.state, like.opt_state))
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(file["about"].tobytes())
        _check_form(about["form"], like, path)
        stored = [file[f"leaf{i}"] for i in range(len(leaves))]
    forms = [_plain(leaf) for leaf in leaves]
    made = [
        _like(np.frombuffer(data.tobytes(), form.dtype).reshape(form.shape), leaf)
        for data, form, leaf in zip(stored, forms, leaves, strict=True)
    ]
    return Saved(about["step"], *jax.tree.unflatten(structure, made))


def _check_form(stored: list[str], like: Saved, where: Path) -> None:
    apart = [f"{there} there, {here} here" for there, here in zip_longest(stored, form(like)) if there != here]
    if apart:
        more = f" and {len(apart) - 3} more" if len(apart) > 3 else ""
        raise ValueError(
            f"{where} was saved by another session: {'; '.join(apart[:3])}{more}. Build the same model and optimizer."
        )


def _plain(leaf: Any) -> np.ndarray:
    return np.asarray(jax.random.key_data(leaf) if is_key(leaf) else leaf)


def _like(array: np.ndarray, leaf: Any) -> Any:
    if is_key(leaf):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf))
    # a copy: the array lies in a buffer that is read-only
    return (
        jnp.array(array)
        if isinstance(leaf, jax.Array)
        else array.copy()
        if isinstance(leaf, np.ndarray)
        else array.item()
    )


def _flush(path: Path) -> None:
    """Onto the disk, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
