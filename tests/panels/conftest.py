from __future__ import annotations

import comm
import pytest

from nnwidgets.panels import Dashboard
from nnwidgets.records import History

from ._made import RecordingComm, alive, record


@pytest.fixture
def messages(monkeypatch):
    """What goes to the browser: (type, comm, data). With it, there is one."""
    RecordingComm.messages = []
    monkeypatch.setattr(comm, "create_comm", RecordingComm)
    return RecordingComm.messages


@pytest.fixture
def healthy():
    return record(History(), range(1, 121))


@pytest.fixture
def dashboard(messages, healthy):
    """A dashboard with a hand-turned clock, ``dashboard.turn(seconds)``, and the commands it sent."""
    before = alive()
    commands = []
    made = Dashboard(healthy, commands.append, rules=("NonFinite",))
    now = [0.0]
    made._clock = lambda: now[0]
    made.commands = commands
    made.turn = lambda seconds: now.__setitem__(0, now[0] + seconds)
    assert made.widget
    yield made
    made.close()
    assert alive() == before, "close() must close every widget"
