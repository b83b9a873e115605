"""Runs in a store, made without training."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

import numpy as np
import psutil

from nnwidgets.track import Run, Store
from nnwidgets.track.store._chunks import Key
from nnwidgets.track.store._writer import writer

UID = "0123456789abcdef0123456789abcdef"
FACTS: dict[str, Any] = {
    "hyperparameters": {
        "optimizer": [
            {"name": "scale_by_adam", "arguments": {"b1": 0.9, "b2": 0.999}},
            {"name": "scale", "arguments": {}},
        ],
        "batch_size": 32,
        "seed": 0,
    },
    "model": {"framework": "linen", "parameters": 101, "config": "Dense(3)\n", "tensors": {"w": "float32[3,4]"}},
    "code": {
        "kind": "script",
        "folder": "/home/me",
        "script": {"path": "/home/me/train.py", "source": "loss = 1\n", "argv": []},
        "cells": [{"number": 1, "id": "a", "source": "x = 1"}],
        "modules": {"lib/blocks.py": "y = 2\n", "../outside.py": "z = 3\n"},
        "loss": {"name": "loss", "source": "def loss(): ...\n"},
        "slice": "x = 1\nloss = x\n",
        "git": {"commit": "c" * 40, "branch": "main", "dirty": True, "diff": "+x = 1\n"},
    },
    "data": {"hash": "d" * 64, "batches": 2, "rows": ["00" * 500], "digests": ["11"] * 2},
    "environment": {"python": "3.11", "packages": {"jax": "0.10.2", "numpy": "2.4"}},
}
FINDING: dict[str, Any] = {
    "rule": "DeadGradient", "severity": "problem", "where": "w", "step": 3, "explanation": "No gradient reaches w.",
    "remedy": "Look at the loss.", "change": None,
}  # fmt: skip


def begin(store: Store, uid: str = UID, **about: Any) -> Run:
    """A run of this process that goes on."""
    now = time.time()
    started = psutil.Process().create_time()
    row = {"uid": uid, "name": "mnist", "created": now - 10, "heartbeat": now, "state": "running", "seconds": 10.0}
    row |= {"host": socket.gethostname(), "pid": os.getpid(), "process_started": started}
    to = writer(store.path)
    to.begin(uid, row | about, dict)
    to.rest(uid)
    assert to.flush()
    return store.run(uid)


def facts(store: Store, uid: str = UID) -> None:
    """All that is known of a run."""
    for section, content in FACTS.items():
        writer(store.path).state(uid, section, content)
    assert writer(store.path).flush()


def numbers(store: Store, values: Any, first: int = 0, uid: str = UID, name: str = "train/loss") -> None:
    """Numbers of a reading, one a step."""
    what, _, reading = name.rpartition("/")
    key = Key(uid, what, (reading,), ("",), "float32")
    for step, value in enumerate(values, first):
        writer(store.path).add(key, step, np.float32(value).tobytes())
    writer(store.path).set(uid, step=first + len(values))
    assert writer(store.path).flush()


def end(store: Store, state: str = "finished", uid: str = UID, **about: Any) -> None:
    """The run has ended, ten seconds after it began."""
    writer(store.path).set(uid, state=state, **{"ended": store.run(uid).created + 10.0, **about})
    assert writer(store.path).flush()
