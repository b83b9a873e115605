"""A process that writes a run as a training loop would, a row a millisecond, and says on its standard output what it gave.

python _feeder.py FOLDER STEPS [SECONDS BETWEEN TWO STEPS]
"""

from __future__ import annotations

import math
import os
import socket
import struct
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import psutil

from nnwidgets.track.store._chunks import Key
from nnwidgets.track.store._writer import writer


def main(folder: str, steps: int, wait: float) -> None:
    uid, store = uuid.uuid4().hex, writer(Path(folder) / "runs.db")
    now = time.time()
    row = {
        "uid": uid,
        "name": "fed",
        "created": now,
        "heartbeat": now,
        "state": "running",
        "host": socket.gethostname(),
    }
    row |= {"pid": os.getpid(), "process_started": psutil.Process().create_time()}
    store.begin(uid, row, lambda: {"step": step})
    loss, norm = Key(uid, "train", ("loss",), ("",), "float32"), Key(uid, "gradient", ("norm",), ("a", "b"), "float32")
    for step in range(steps):
        store.add(loss, step, np.float32(math.nan if step == 7 else step).tobytes())
        store.add(norm, step, np.full(2, step, np.float32).tobytes())
        # the time goes with it: how old the newest stored row is can be told afterwards
        os.write(1, struct.pack("<qd", step, time.time()))
        time.sleep(wait)
    store.rest(uid)
    store.set(uid, state="finished")
    store.flush(10)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 1e-3)
