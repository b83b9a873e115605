"""A session's timeline in a folder that survives being killed at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.records import History

from ._timeline import Saved, Timeline

FORMAT = 1


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
    number = max((int(each.name) for each in _complete(target)), default=0) + 1
    beside = target / f"{number:06d}.part"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    history.save(beside / "history.npz")
    for step in timeline.steps:
        saved = timeline.nearest(step)
        assert saved is not None
        _write_state(beside / f"state_{step}.npz", saved)
    losses = sorted(timeline.losses.items())
    text = json.dumps({"format": FORMAT, "steps": timeline.steps, "multipliers": timeline.multipliers, **about})
    np.save(beside / "loss_steps.npy", np.array([step for step, _ in losses], np.int64))
    np.save(beside / "losses.npy", np.array([loss for _, loss in losses], np.float64))
    (beside / "about.json").write_text(text, encoding="utf-8")
    for path in (*beside.iterdir(), beside):
        _flush(path)
    done = beside.rename(target / f"{number:06d}")
    _flush(target)
    for each in target.iterdir():
        if each != done and (each.suffix == ".part" or each.name.isdigit()):
            shutil.rmtree(each, ignore_errors=True)
    return done


def read(folder: str | os.PathLike[str], like: Saved, timeline: Timeline) -> tuple[dict[str, Any], History]:
    """Fill an empty timeline from the newest complete folder inside `folder`.

    Args:
        folder: what `write` was given.
        like: a state of the same form.
        timeline: filled.

    Raises:
        ValueError: nothing complete is there, or its states have another form.
    """
    complete = _complete(Path(folder))
    if not complete:
        raise ValueError(
            f"{os.fspath(folder)} holds no saved timeline: type session.save({os.fspath(folder)!r}) first."
        )
    newest = complete[-1]
    about = json.loads((newest / "about.json").read_text(encoding="utf-8"))
    if about["format"] > FORMAT:
        raise ValueError(
            f"{newest} has format {about['format']}; this nnwidgets reads up to {FORMAT}. Upgrade nnwidgets."
        )
    for step in about["steps"]:
        timeline.keep(_read_state(newest / f"state_{step}.npz", step, like), pin=True)
    timeline.unpin()
    timeline.multipliers = [(step, value) for step, value in about["multipliers"]]
    steps, losses = np.load(newest / "loss_steps.npy").tolist(), np.load(newest / "losses.npy").tolist()
    timeline.losses = dict(zip(steps, losses, strict=True))
    return about, History.load(newest / "history.npz")


def _complete(folder: Path) -> list[Path]:
    return sorted(each for each in folder.glob("*") if each.name.isdigit()) if folder.is_dir() else []


def _write_state(path: Path, saved: Saved) -> None:
    leaves = jax.tree.leaves((saved.params, saved.state, saved.opt_state))
    # as bytes: NumPy's files have no word for bfloat16
    arrays = {f"leaf{i}": np.frombuffer(_plain(leaf).tobytes(), np.uint8) for i, leaf in enumerate(leaves)}
    np.savez(path, allow_pickle=False, **arrays)  # pyright: ignore[reportArgumentType]


def _read_state(path: Path, step: int, like: Saved) -> Saved:
    leaves, structure = jax.tree.flatten((like.params, like.state, like.opt_state))
    with np.load(path, allow_pickle=False) as file:
        stored = [file[f"leaf{i}"] for i in range(len(file.files))]
    forms = [_plain(leaf) for leaf in leaves]
    if [each.nbytes for each in forms] != [each.nbytes for each in stored]:
        got, wanted = sum(map(len, stored)), sum(each.nbytes for each in forms)
        raise ValueError(
            f"{path.parent.parent} was saved by another session: a state has {len(stored)} arrays of {got:,} bytes there, "
            f"{len(forms)} of {wanted:,} here. Build the same model and optimizer."
        )
    made = [
        _like(np.frombuffer(data.tobytes(), form.dtype).reshape(form.shape), leaf)
        for data, form, leaf in zip(stored, forms, leaves, strict=True)
    ]
    return Saved(step, *jax.tree.unflatten(structure, made))


def _plain(leaf: Any) -> np.ndarray:
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _like(array: np.ndarray, leaf: Any) -> Any:
    if _is_key(leaf):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf))
    # a copy: the array lies in a buffer that is read-only
    return (
        jnp.array(array)
        if isinstance(leaf, jax.Array)
        else array.copy()
        if isinstance(leaf, np.ndarray)
        else array.item()
    )


def _is_key(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _flush(path: Path) -> None:
    """Onto the disk, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
