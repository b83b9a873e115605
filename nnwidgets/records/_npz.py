"""A History as one ``.npz`` file: plain arrays and one JSON text, no pickles."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FORMAT = 1


def write(path: str | os.PathLike[str], about: dict[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Path:
    """Write beside `path`, then rename: a reader sees the old file or the new one, never a part.

    Returns:
        the path as written, exactly as given (no suffix is added).
    """
    target = Path(path)
    text = np.frombuffer(json.dumps({"format": FORMAT, **about}).encode(), np.uint8)
    handle, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, about=text, **arrays)
        os.replace(beside, target)
    except BaseException:
        os.unlink(beside)
        raise
    return target


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """What `write` wrote: the JSON part, and the arrays by name.

    Raises:
        ValueError: the file is not a saved History, or of a later format.
    """
    with np.load(path, allow_pickle=False) as file:
        if "about" not in file:
            raise ValueError(f"{os.fspath(path)} is not a saved History: it has no entry 'about', only {file.files}.")
        about: dict[str, Any] = json.loads(file["about"].tobytes().decode())
        if about["format"] > FORMAT:
            raise ValueError(
                f"{os.fspath(path)} has format {about['format']}; this nnwidgets reads up to {FORMAT}. Upgrade nnwidgets."
            )
        return about, {name: file[name] for name in file.files if name != "about"}
