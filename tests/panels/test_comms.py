"""What a kernel sends reaches who listens to it."""

from __future__ import annotations

import pytest
from jupyter_client.manager import start_new_kernel

SHOW = """
from IPython.display import display
from nnwidgets.panels import Dashboard
from nnwidgets.records import History

for _ in range(8):
    dashboard = Dashboard(History(), print)
    display(dashboard.widget)
    dashboard.close()
print("the last words")
"""
LIMIT = 120


@pytest.fixture
def client():
    kernel, client = start_new_kernel(startup_timeout=LIMIT)
    yield client
    client.stop_channels()
    kernel.shutdown_kernel(now=True)


def test_nothing_is_lost_where_the_server_is_busy_while_dashboards_are_shown(client):
    request = client.execute(SHOW)
    # a busy server: it takes nothing until the cell has ended
    assert client.get_shell_msg(timeout=LIMIT)["content"]["status"] == "ok"
    kinds, text = [], ""
    while True:
        message = client.get_iopub_msg(timeout=10)
        if message["parent_header"].get("msg_id") != request:
            continue
        kinds.append(message["msg_type"])
        text += message["content"].get("text", "")
        if message["content"].get("execution_state") == "idle":
            break
    assert len(kinds) > 5000, "a test of too few messages"
    assert kinds.count("comm_open") == kinds.count("comm_close")
    assert text == "the last words\n"
