"""How a browser's messages reach a kernel that is busy with a cell, and a kernel's a browser whose server is busy."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from typing import Any

import ipywidgets
from comm import DummyComm

# The most messages that a kernel keeps: a hundred dashboards.
_MESSAGES = 100_000


def all_widgets(root: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    """The widget and all that it is made of (children, layouts, marks, scales, ...), each once."""
    found: dict[int, ipywidgets.Widget] = {}
    waiting: list[Any] = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, ipywidgets.Widget):
            if id(value) not in found:
                found[id(value)] = value
                waiting.extend(getattr(value, key) for key in value.keys)
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
    return list(found.values())


def has_front_end(widget: ipywidgets.Widget) -> bool:
    """Whether there is a kernel whose front end could show the widget; in a plain script there is none."""
    return widget.comm is not None and not isinstance(widget.comm, DummyComm)


def reach_busy_kernel(widgets: Iterable[ipywidgets.Widget]) -> None:
    """Let these widgets' callbacks run while a cell runs, on ipykernel 7.4 as on 7.0 to 7.3.

    JupyterLab sends a widget's messages to a subshell, a second thread of the kernel, which is idle while a cell runs.
    ipykernel 7.4 sends them on to the shell from which the widget last *sent*: for us the busy main one, where they
    wait for the cell's end. One private method decides that, and here it is replaced, on our own comms alone, by the
    plain rule: the shell that the request asked for. Where the method is missing, nothing needs to be done. The way
    without a private name, a comm that the front end opens and on which Python never sends, needs the front end's own
    private kernel connection in return, and could carry neither buttons nor sliders: they are ordinary widgets.
    """
    for widget in widgets:
        channel: Any = widget.comm
        if hasattr(channel, "_reply_subshell_for"):
            channel._reply_subshell_for = _as_requested


def keep_messages() -> None:
    """Let the kernel keep what it has to say until Jupyter's server takes it, however much comes at once.

    Kernels drop what is sent while 1,000 messages wait, without a word (ZeroMQ's high-water mark: zmq_setsockopt(3),
    ZMQ_SNDHWM). A cell that shows a dashboard again sends as many; where the server is busy for a third of a second then,
    the newest would be lost: the output, and that the cell has ended.
    """
    thread = getattr(getattr(running_shell(), "kernel", None), "iopub_thread", None)

    def raise_mark() -> None:
        # 0 is no limit
        if 0 < thread.socket.sndhwm < _MESSAGES:
            thread.socket.sndhwm = _MESSAGES

    if hasattr(thread, "schedule"):
        # sockets are used in their own thread only
        thread.schedule(raise_mark)


def polls() -> bool:
    """Whether clicks must be fetched by polling: on ipykernel 6, which has no subshells."""
    return 0 < _ipykernel() < 7


def poll() -> None:
    """On ipykernel 6, run the callbacks that wait, if jupyter_ui_poll is installed; elsewhere do nothing.

    ImportError is raised where it is needed and missing: see the extra ``poll``.
    """
    if polls():
        from jupyter_ui_poll import ui_events  # type: ignore[import-not-found]

        with ui_events() as events:
            events(10)


def advice() -> str:
    """What to tell a user whose clicks do not arrive while a cell runs."""
    way = "Clicks reach this running cell only after it ends. To halt it now, use the kernel's own stop button (■)"
    if polls():
        return f'{way}. For live controls: pip install "ipykernel>=7", or, with this one, "nnwidgets[poll]".'
    return (
        f"{way}; session.run() then goes on from there. Live controls need ipykernel 7 and JupyterLab's "
        'setting Kernel > commsOverSubshells other than "disabled".'
    )


def running_shell() -> Any:
    """IPython's shell, in a terminal or a kernel; None in a script."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def running_cell() -> int | None:
    """The number of the notebook cell that runs now; None in a script, or outside the thread in which cells run."""
    shell = running_shell()
    in_cell = shell is not None and threading.current_thread() is threading.main_thread()
    return int(shell.execution_count) if in_cell else None


def _as_requested(data: Any, default: Any) -> Any:
    return default


def _ipykernel() -> int:
    module = sys.modules.get("ipykernel")
    return int(module.version_info[0]) if module else 0
