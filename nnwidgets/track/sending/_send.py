"""Sends runs from the store to a tracking system."""

from __future__ import annotations

from collections.abc import Callable

from ..store._run import Run
from ..store._store import Store
from . import engines
from ._courier import Courier, GaveUp, told
from ._delivery import Busy, Delivery, claim, save, unfinished


def send(
    store: Store,
    run: Run,
    target: str,
    *,
    follow: bool = False,
    give_up_after: float = 60.0,
    out: Callable[[str], None] = lambda line: None,
    engine: engines.Engine | None = None,
) -> Delivery:
    """Bring to a tracking system what it does not have yet of a run: once, or for as long as the run goes on.

    What was sent is written down after each request, so that sending again sends nothing twice.

    Args:
        store: which holds the run.
        run: which.
        target: where to: see `parse_target`.
        follow: stay until the run has ended. While it goes on, a server that is down is tried again once a minute at least.
        give_up_after: seconds without success after which the rest is left for another time.
        out: is told what happens, a line at a time.
        engine: in place of the one that `target` names.

    Returns:
        Delivery: ``state`` "sent", "waiting" (with the ``error``) or "failed".

    Raises:
        ValueError: there is no such target.
        Busy: another process is sending the run there.
    """
    if engine is None:
        engines.parse_target(target)
    delivery = claim(store, run, target)
    try:
        Courier(store, run, delivery, follow, give_up_after, out, engine).work()
    except engines.Refused as refusal:
        delivery.state, delivery.error = "failed", str(refusal)
    except GaveUp as trouble:
        delivery.state, delivery.error = "waiting", str(trouble)
    except Busy:
        raise
    except BaseException as error:
        delivery.state, delivery.error = "waiting", told(error)
        save(store, delivery)
        raise
    save(store, delivery)
    return delivery


def send_all(
    store: Store,
    target: str | None = None,
    *,
    give_up_after: float = 60.0,
    out: Callable[[str], None] = lambda line: None,
) -> list[Delivery]:
    """Send all that is not sent.

    Args:
        store: of which.
        target: where to; None: to where each was on its way.
        give_up_after: seconds without success after which a run is left for another time.
        out: is told what happens, a line at a time.

    Returns:
        one for each run, those that other processes are sending left out.
    """
    done = []
    for number, where in unfinished(store, target):
        try:
            done.append(send(store, store.run(number), where, give_up_after=give_up_after, out=out))
        except Busy as busy:
            out(str(busy))
    return done
