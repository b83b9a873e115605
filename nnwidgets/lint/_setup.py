"""Everything that is known of a run before its first step: the program, the first batches, the first update."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax

from nnwidgets.objective import Objective, leaf_paths
from nnwidgets.trace import Call, Op, Source, Value, find_calls, is_key, read_program, user_source, values_at

from ._once import forget

Array = npt.NDArray[Any]
# Numbers of the loss that are kept at once.
MANY = 20_000_000
# What is worked out of the parameters and batches, and not of the program alone.
_OF_THE_NUMBERS = ("opt_state", "fields", "first", "updates")


class Setup:
    """What the rules of this package look at; each thing is worked out when it is first asked for, and kept.

    Args:
        objective: the loss.
        tx: the optimizer.
        batches: the first few batches, at least one.
        params: as they stand before the first step; the objective's if None.
        state: likewise.
        opt_state: likewise; ``tx.init(params)`` if None.
        validation: the first few validation batches.
        key: of the run.
        ready: all batches, where they lie ready in a list; what costs no more than a look is asked of all of them.

    Attributes:
        batches: with NumPy leaves.
        validation: likewise.
        code: the text of the lines that were spoken of.
    """

    def __init__(
        self,
        objective: Objective,
        tx: optax.GradientTransformation,
        batches: Sequence[Any],
        *,
        params: Any = None,
        state: Any = None,
        opt_state: Any = None,
        validation: Sequence[Any] = (),
        key: jax.Array | None = None,
        ready: Sequence[Any] = (),
    ) -> None:
        self.objective, self.tx = objective, tx
        self.params = objective.params if params is None else params
        self.state = objective.state if state is None else state
        self._opt_state = opt_state
        self.batches = tuple(jax.tree.map(np.asarray, batch) for batch in batches)
        self.validation = tuple(jax.tree.map(np.asarray, batch) for batch in validation)
        self.key, self.ready = jax.random.key(0) if key is None else key, ready
        self.code: dict[str, str] = {}

    def at(self, params: Any, state: Any, opt_state: Any, batches: Sequence[Any]) -> Setup:
        """The same at other parameters and with other batches of the same shapes; what was traced and compiled is shared."""
        other = copy(self)
        for name in _OF_THE_NUMBERS:
            other.__dict__.pop(name, None)
        forget(other)
        other.params, other.state, other._opt_state = params, state, opt_state
        other.batches = tuple(jax.tree.map(np.asarray, batch) for batch in batches)
        for name in ("train", "evaluation"):
            if name in self.__dict__:
                other.__dict__[name] = self.__dict__[name].of(other)
        return other

    @property
    def batch(self) -> Any:
        """The first batch, with NumPy leaves."""
        return self.batches[0]

    @cached_property
    def opt_state(self) -> Any:
        """The optimizer's state before the first step."""
        return self.tx.init(self.params) if self._opt_state is None else self._opt_state

    @cached_property
    def train(self) -> Traced:
        """The loss as it is in training."""
        return Traced(self, train=True)

    @cached_property
    def evaluation(self) -> Traced:
        """The loss as it is in evaluation."""
        return Traced(self, train=False)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The arrays of a batch."""
        shapes = jax.tree.leaves(self.batch)
        return tuple(
            Field(self, i, path, leaf)
            for i, (path, leaf) in enumerate(zip(leaf_paths(self.batch), shapes, strict=True))
        )

    @cached_property
    def rows(self) -> int | None:
        """Examples in a batch: the length that all arrays of the batch share as their first axis; None if they do not."""
        lengths = {leaf.shape[0] if leaf.ndim else None for leaf in jax.tree.leaves(self.batch)}
        return lengths.pop() if len(lengths) == 1 else None

    @cached_property
    def gradient(self) -> Callable[[Any, Any, Any, jax.Array], tuple[Any, Any]]:
        """(params, state, batch, rng) -> ((loss, (state, aux)), grads) in training, compiled."""
        return jax.jit(
            lambda params, state, batch, rng: jax.value_and_grad(self.objective, has_aux=True)(
                params, state, batch, rng, True
            )
        )

    @cached_property
    def loss(self) -> Callable[..., tuple[Any, Any]]:
        """(params, state, batch, rng, train) -> (loss, (state, aux)), compiled."""
        return jax.jit(self.objective, static_argnums=4)

    @cached_property
    def first(self) -> tuple[float, Any]:
        """Loss and gradients of the first step."""
        (loss, _), grads = self.gradient(self.params, self.state, self.batch, jax.random.fold_in(self.key, 0))
        return float(loss), grads

    @cached_property
    def update(self) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
        """(grads, opt_state, params) -> (updates, opt_state), compiled."""
        transformation = optax.with_extra_args_support(self.tx)
        return jax.jit(
            lambda grads, opt_state, params: transformation.update(grads, opt_state, params, value=jnp.zeros(()))
        )

    @cached_property
    def updates(self) -> Any:
        """The first update."""
        return self.update(self.first[1], self.opt_state, self.params)[0]

    def named(self, tree: Any) -> dict[str, Any]:
        """The leaves of a tree like the parameters, by path."""
        return dict(zip(self.objective.paths, jax.tree.leaves(tree), strict=True))


class Field:
    """One array of a batch.

    Attributes:
        path: its place in the batch, e.g. ``"0"`` or ``"image"``; ``""`` where the batch is one array.
        shape: in the first batch.
        dtype: its dtype.
    """

    def __init__(self, setup: Setup, index: int, path: str, leaf: Array) -> None:
        self.path, self.shape, self.dtype = path, leaf.shape, leaf.dtype
        self._setup, self.index = setup, index

    @cached_property
    def values(self) -> Array:
        """Of all first batches, one after another along the first axis."""
        leaves = [jax.tree.leaves(batch)[self.index] for batch in self._setup.batches]
        return np.concatenate(leaves) if leaves[0].ndim else np.stack(leaves)

    @cached_property
    def validation(self) -> Array | None:
        """The same of the validation batches; None where there are none of this form."""
        trees = self._setup.validation
        if not trees or jax.tree.structure(trees[0]) != jax.tree.structure(self._setup.batch):
            return None
        leaves = [jax.tree.leaves(batch)[self.index] for batch in trees]
        return np.concatenate(leaves) if leaves[0].ndim else np.stack(leaves)

    @property
    def name(self) -> str:
        """How to speak of it."""
        return f"batch[{self.path}]" if self.path else "the batch"

    @cached_property
    def value(self) -> Value:
        """What it is in the program of training."""
        return self._setup.train.fields[self.index]

    @cached_property
    def is_target(self) -> bool:
        """Whether the loss compares the outputs with it; an array may be input and target both (an autoencoder's)."""
        return self.index in self._setup.train.targets

    @cached_property
    def is_input(self) -> bool:
        """Whether the outputs are made of it."""
        return self.index in self._setup.train.made_of


class Traced:
    """The program of the loss, in training or in evaluation.

    Attributes:
        closed: JAX's program.
        program: the same as one flat list of operations.
        calls: its layers' calls.
        aux: path and value of what the loss returns beside itself.
    """

    def __init__(self, setup: Setup, *, train: bool) -> None:
        self._setup, self.is_training = setup, train
        self.closed, self.program, self.aux = read_program(setup.objective, setup.batch, train=train)
        counts = [len(jax.tree.leaves(tree)) for tree in (setup.params, setup.state, setup.batch)]
        inputs = self.program.inputs
        first = counts[0] + counts[1]
        self.parameters, self.states = inputs[: counts[0]], inputs[counts[0] : first]
        self.fields, self.keys = inputs[first : first + counts[2]], inputs[first + counts[2] :]
        self._known: dict[int, frozenset[int]] = {}
        self._kept: dict[int, dict[Any, Array]] = {}
        self._compiled: dict[frozenset[Any], Any] = {}

    def of(self, setup: Setup) -> Traced:
        """The same program at the parameters and batches of another set-up."""
        other = copy(self)
        other._setup, other._kept = setup, {}
        return other

    @cached_property
    def calls(self) -> list[Call]:
        """The layers' calls, in the order of their outputs."""
        return find_calls(self.program, self._setup.objective.paths)

    def source(self, op: Op | None) -> Source | None:
        """The user's line that an operation comes from."""
        return None if op is None else user_source(op.stack)

    def line(self, op: Op | None) -> str | None:
        """The same as ``file:line``; its text is kept in `Setup.code`."""
        found = self.source(op)
        if found is None:
            return None
        self._setup.code[str(found)] = linecache.getline(found.file, found.line).strip()
        return str(found)

    def maker(self, value: Value) -> Op | None:
        """The operation that made a value."""
        return None if value.op is None else self.program.ops[value.op]

    def depends(self, value: Value) -> frozenset[int]:
        """Indices of the program's inputs (``program.inputs``) that a value depends on."""
        waiting = [value]
        while waiting:
            each = waiting[-1]
            before = self._before(each)
            missing = [one for one in before if id(one) not in self._known]
            if missing:
                # an inner value that a loop carries may stand for itself
                self._known[id(each)] = frozenset()
                waiting += missing
                continue
            waiting.pop()
            own = self._own.get(id(each), frozenset[int]())
            self._known[id(each)] = own.union(*(self._known[id(one)] for one in before))
        return self._known[id(value)]

    @cached_property
    def _own(self) -> dict[int, frozenset[int]]:
        return {id(value): frozenset((i,)) for i, value in enumerate(self.program.inputs)}

    def _before(self, value: Value) -> Sequence[Value]:
        return value.via if value.op is None else self.program.ops[value.op].inputs

    def fields_of(self, value: Value) -> frozenset[int]:
        """Indices of the batch's arrays that a value depends on."""
        first = len(self.parameters) + len(self.states)
        return frozenset(i - first for i in self.depends(value) if first <= i < first + len(self.fields))

    def parameters_of(self, value: Value) -> frozenset[int]:
        """Indices of the parameters that a value depends on."""
        return frozenset(i for i in self.depends(value) if i < len(self.parameters))

    def values(self, wanted: Sequence[Value], batch: Any = None) -> list[Array]:
        """What these values of the program are on a batch (the first if None), with the parameters as they stand."""
        setup = self._setup
        batch = setup.batch if batch is None else batch
        kept = self._kept.setdefault(id(batch), {})
        missing = frozenset(value.place for value in wanted if value.place is not None and value.place not in kept)
        if missing:
            # the loss's own values come along: one compiled program serves many rules
            inputs = [setup.params, setup.state, batch, jax.random.fold_in(setup.key, 0)]
            leaves = [leaf if is_key(leaf) else jnp.asarray(leaf) for leaf in jax.tree.leaves(inputs)]
            kept.update({place: np.asarray(value) for place, value in self._evaluate(missing)(leaves).items()})
        given = jax.tree.leaves([setup.params, setup.state, batch])
        by_input = dict(zip(map(id, self.program.inputs), given, strict=False))
        return [np.asarray(by_input[id(each)]) if each.place is None else kept[each.place] for each in wanted]

    def _evaluate(self, places: frozenset[Any]) -> Callable[[list[Any]], dict[Any, Any]]:
        places |= self._tail_places
        if places not in self._compiled:
            self._compiled[places] = jax.jit(lambda leaves: values_at(self.closed, leaves, places))
        return self._compiled[places]

    @cached_property
    def _tail_places(self) -> frozenset[Any]:
        made = [value for op in self.head.tail for value in (*op.inputs, *op.outputs) if value.place is not None]
        values = [value for value in made if not is_key(value.aval)]
        small = sum(value.aval.size for value in values if hasattr(value.aval, "size")) < MANY
        return frozenset(value.place for value in values) if small else frozenset()

    @cached_property
    def targets(self) -> frozenset[int]:
        """Indices of the batch's arrays that the loss compares the outputs with."""
        return self.head.targets

    @cached_property
    def made_of(self) -> frozenset[int]:
        """Indices of the batch's arrays that the outputs are made of."""
        return self.fields_of(self.head.logits) if self.head.logits is not None else frozenset()

    @cached_property
    def head(self) -> Any:
        """The last layer's output and what the loss does with it."""
        from ._head import find_head

        return find_head(self, self._setup)
