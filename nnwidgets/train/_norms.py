"""The norms out of a user's own compiled step, and whose they are."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from nnwidgets.records import History

from ._instrument import InstrumentedState


class Norms:
    """Brings the norms out of an `InstrumentedState` into the history; they are fetched a step late.

    Args:
        paths: of the objective's tensors; the norms are written under these names.
        history: where they go: gradient/norm, update/norm, parameter/norm, update/ratio.

    Attributes:
        finite: whether the newest gradient norms were.
        looked: whether `look` was called.
    """

    def __init__(self, paths: tuple[str, ...], history: History) -> None:
        self._paths, self._history = paths, history
        self._layers = paths
        self._waiting: list[tuple[int, jax.Array]] = []
        self._count = 0.0
        self._pack = jax.jit(lambda norms, count: jnp.append(norms.reshape(-1), (count % 4096).astype(jnp.float32)))
        self.finite, self.looked = True, False

    def note(self, paths: tuple[str, ...]) -> None:
        """Remember which tensors the norms are of."""
        self._layers = name_leaves(paths, self._paths)

    def look(self, step: int, state: InstrumentedState) -> None:
        """Start to fetch a step's norms: a copy, since the user's next step may donate the state."""
        packed = self._pack(*jax.tree.leaves((state.norms, state.count)))
        packed.copy_to_host_async()
        self.looked = True
        self._waiting.append((step, packed))

    def collect(self, before: float = math.inf) -> None:
        """Write the norms of the steps before this one; where there was no update (`optax.MultiSteps`), nothing.

        Raises:
            ValueError: if it cannot be told which tensors they are of.
        """
        while self._waiting and self._waiting[0][0] < before:
            step, packed = self._waiting.pop(0)
            *norms, count = np.split(np.asarray(packed), [-1])
            if count[0] != self._count:
                self._count = count[0]
                self._write(step, norms[0].reshape(3, -1))

    def _write(self, step: int, norms: npt.NDArray[np.float32]) -> None:
        layers = next((found for found in (self._layers, self._paths) if len(found) == norms.shape[1]), None)
        if layers is None:
            raise ValueError(
                f"opt_state carries norms of {norms.shape[1]} tensors, the objective has {len(self._paths)}: use the "
                "optimizer that this monitor.instrument gave"
            )
        gradient, update, parameter = norms
        self.finite = bool(np.isfinite(gradient).all())
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(parameter == 0, np.nan, np.where(parameter == -1, -1.0, update / parameter))
        rows = {"gradient/norm": gradient, "update/norm": update, "parameter/norm": parameter, "update/ratio": ratio}
        for name, row in rows.items():
            if not (row == -1).all():
                what, reading = name.split("/")
                self._history.table(what, (reading,), layers).add(step, row[None])


def name_leaves(paths: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The objective's names of the leaves of a user's tree: by path, else, if there are as many, by order.

    Args:
        paths: of the user's tree. ``params/`` in front (Linen's variables) and ``/value`` behind (NNX's) do not count.
        wanted: of the objective.

    Example:
        >>> name_leaves(("params/b", "params/w"), ("b", "w")), name_leaves(("0", "1"), ("b", "w"))
        (('b', 'w'), ('b', 'w'))
        >>> name_leaves(("w/value", "step"), ("b", "w", "x"))
        ('w', 'step')
    """
    names = {_plain(path): path for path in wanted}
    by_path = tuple(names.get(_plain(path), path) for path in paths)
    if len(paths) != len(wanted) or set(wanted) <= set(by_path):
        return by_path
    return wanted


def _plain(path: str) -> str:
    return path.removeprefix("params/").removesuffix("/value")
