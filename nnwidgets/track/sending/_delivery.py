"""How far a run has come on its way to a tracking system: a row of the store, and who may change it."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import psutil

from ..store._lives import lives
from ..store._run import Run
from ..store._store import Store

# Seconds after which a sender on another machine that gives no sign of life counts as gone.
SILENCE = 120.0


class Busy(RuntimeError):
    """Another process sends this run to this target; the text says which."""


@dataclass
class Delivery:
    """One run on its way to one target.

    Attributes:
        run: the run's number.
        target: where to.
        remote: what the run is called there, or None.
        state: "sending"; "waiting": something is not there yet, and can be sent later; "sent": all of it is there; "failed":
            it was refused, and would be again.
        error: why it waits or failed, or "".
        rows: numbers that were sent this time.
        cursor: what is there: the last step of each reading, a checksum of each document, and so on.
    """

    run: int
    target: str
    remote: str | None = None
    state: str = "sending"
    error: str = ""
    rows: int = 0
    cursor: dict[str, Any] = field(default_factory=dict)


def claim(store: Store, run: Run, target: str) -> Delivery:
    """Become the one process that sends this run there.

    Args:
        store: which holds the run.
        run: which.
        target: where to.

    Raises:
        Busy: another one is at it.
    """
    with store.connect() as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            query = "SELECT remote, cursor, state, tried FROM deliveries WHERE run = ? AND target = ?"
            remote, cursor, state, tried = connection.execute(query, (run.id, target)).fetchone() or (
                None,
                "{}",
                "",
                0.0,
            )
            delivery = Delivery(run.id, target, remote, "sending", cursor=json.loads(cursor))
            sender = delivery.cursor.get("sender")
            if state == "sending" and sender and _at_work(sender, tried):
                who = f"process {sender['pid']} on {sender['host']}"
                raise Busy(f"run {run.id} is being sent to {target} by {who}: let it work, or end it.")
            delivery.cursor["sender"] = _me()
            delivery.cursor["before"] = state
            values = (run.id, target, remote, json.dumps(delivery.cursor), "sending", "", time.time())
            connection.execute("INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return delivery


def save(store: Store, delivery: Delivery) -> None:
    """Write down how far it has come.

    Raises:
        Busy: another process has taken over, since this one gave no sign of life.
    """
    values = (delivery.remote, json.dumps(delivery.cursor), delivery.state, delivery.error, time.time())
    who = (delivery.run, delivery.target, delivery.cursor["sender"]["token"])
    with store.connect() as connection:
        done = connection.execute(
            "UPDATE deliveries SET remote = ?, cursor = ?, state = ?, error = ?, tried = ? "
            "WHERE run = ? AND target = ? AND json_extract(cursor, '$.sender.token') = ?",
            values + who,
        )
    if not done.rowcount:
        raise Busy(f"run {delivery.run} is being sent to {delivery.target} by another process now.")


def remote_of(store: Store, uid: str | None, target: str) -> str | None:
    """What another run is called there; None if it was not sent."""
    query = "SELECT remote FROM deliveries JOIN runs ON runs.id = deliveries.run WHERE uid = ? AND target = ?"
    with store.connect() as connection:
        found = connection.execute(query, (uid, target)).fetchone()
    return found[0] if found else None


def unfinished(store: Store, target: str | None) -> list[tuple[int, str]]:
    """Runs and targets of what was begun and is not all there; with a target: of all runs that are not all there."""
    with store.connect() as connection:
        if target is None:
            query = "SELECT run, target FROM deliveries WHERE state != 'sent' ORDER BY run"
            return connection.execute(query).fetchall()
        there = "SELECT run FROM deliveries WHERE state = 'sent' AND target = ?"
        found = connection.execute(f"SELECT id FROM runs WHERE id NOT IN ({there}) ORDER BY id", (target,))
        return [(run, target) for (run,) in found]


def _me() -> dict[str, Any]:
    started = psutil.Process().create_time()
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": started, "token": uuid.uuid4().hex}


def _at_work(sender: dict[str, Any], tried: float) -> bool:
    return lives(sender["host"], sender["pid"], sender["started"], tried, SILENCE)
