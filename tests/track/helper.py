"""A process that sends runs, as in earnest: the packages of tracking systems take seconds to import, and warn."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from nnwidgets.track import Store

_WORK = """
import json, sys
touched = []
# what only asks whether this machine has IPv6 binds a socket, and connects it to nothing
idle = ("socket.__new__", "socket.bind", "socket.gethostname")
sys.addaudithook(lambda event, _: touched.append(event) if event.startswith("socket.") and event not in idle else None)

from pathlib import Path
from nnwidgets.track import Store
from nnwidgets.track.sending import _courier
from nnwidgets.track.sending._send import send as send_run

# servers of tests are up soon
_courier._LONGEST_WAIT = 1.0

def send(home, run, target, options):
    store = Store(home)
    done = send_run(store, store.run(run), target, **options)
    return f"{done.state} {done.error}".strip()

def connections():
    return touched
"""
_LOOP = """
answers, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    name, *values = json.loads(line)
    print(json.dumps(globals()[name](*values)), file=answers, flush=True)
"""


class Helper:
    """One such process; a command a line.

    Args:
        more: Python code that defines other commands.
    """

    def __init__(self, more: str = "") -> None:
        command = [sys.executable, "-c", _WORK + more + _LOOP]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, *words: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def do(self, *words: Any) -> Any:
        self.tell(*words)
        return self.hear()

    def send(self, store: Store, run: int, target: str, **options: Any) -> str:
        return self.do("send", str(store.folder), run, target, options)

    def stop(self) -> None:
        self._process.communicate(timeout=30)
