"""The score whose causes are looked for: one number that the network gives to one example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.lint._once import once

from ._attention import attentions
from ._data import Data
from ._images import Array
from ._layout import Layout, find_layout
from ._network import Network
from ._outputs import Outputs, find_outputs
from ._spots import Spot

_UNKNOWN = (
    "which value is the network's output could not be found in the traced loss: return it, "
    'return loss, {"outputs": logits, "targets": labels}.'
)


@once
def outputs_of(network: Network) -> Outputs | None:
    """What the network answers, see `find_outputs`."""
    return find_outputs(network)


@once
def input_field(network: Network) -> int | None:
    """The array of the batch that is looked at as the input: the largest that the outputs are made of."""
    outputs = outputs_of(network)
    if outputs is not None:
        return outputs.field
    fields = frozenset().union(*(network.traced.fields_of(spot.value) for spot in network.spots))
    return max(fields, key=lambda i: network.traced.fields[i].aval.size, default=None)


@once
def layout_of(network: Network) -> Layout:
    """How that array is looked at."""
    field = input_field(network)
    if field is None or not network.traced.fields[field].aval.shape:
        return Layout("table")
    return find_layout(network.traced.program, network.traced.fields[field])


@dataclass(eq=False)
class Case:
    """One example in the batch that it comes in, and the score that is asked about.

    Attributes:
        network: the network for it.
        leaves: what goes into the program.
        row: the example's, in that batch.
        asked: the class or output that was asked for, None for the predicted one.
    """

    network: Network
    leaves: list[Any]
    row: int
    asked: int | None = None

    @property
    def outputs(self) -> Outputs:
        """What the network answers.

        Raises:
            ValueError: that was not found.
        """
        found = outputs_of(self.network)
        if found is None:
            raise ValueError(_UNKNOWN)
        return found

    @property
    def layout(self) -> Layout:
        """Of the input."""
        return layout_of(self.network)

    @property
    def field(self) -> int:
        """Where the input is among the leaves."""
        field = input_field(self.network)
        if field is None:
            raise ValueError("no array of the batch goes into a layer, so there is no input to look at.")
        return self.network.first_field + field

    @cached_property
    def example(self) -> Array:
        """The input itself, one example."""
        values = np.asarray(self.leaves[self.field])
        return values[self.row] if values.ndim else values

    @cached_property
    def logits(self) -> Array:
        """(positions ..., classes)."""
        return answers(self.network, self.leaves)[0][self.row]

    def values(self, spots: Sequence[Spot]) -> list[Array]:
        """What these values are for the example, (positions ..., units); those that are often asked for in one program."""
        network = self.network
        often = [*network.some, *attentions(network)]
        asked = often if all(spot in often for spot in spots) else list(spots)
        program = network.compiled(
            ("values", *(spot.name for spot in asked)),
            lambda: lambda leaves, row: [each[row] for each in network.take(leaves, asked)],
        )
        found = dict(zip(asked, program(self.leaves, self.row), strict=True))
        return [np.asarray(found[spot]).astype(np.float32) for spot in spots]

    @cached_property
    def output(self) -> int:
        """The class or output that the score is of.

        Raises:
            ValueError: there is no such output.
        """
        many = self.logits.shape[-1] if self.logits.ndim else 1
        if self.asked is not None:
            if not 0 <= self.asked < many:
                raise ValueError(f"there is no output {self.asked}: they are numbered from 0 to {many - 1}.")
            return self.asked
        if self.logits.ndim < 2:
            values = np.abs(self.logits) if self.outputs.task == "numbers" else self.logits
            return int(np.argmax(values))
        if self.logits.ndim == 2:
            return int(np.argmax(self.logits[-1]))
        # of an answer for each pixel, the class that most of them get
        return int(np.bincount(self.logits.argmax(-1).reshape(-1), minlength=many).argmax())

    @property
    def words(self) -> str:
        """What the score is."""
        kind = "class" if self.outputs.task == "classes" else "output"
        of = f"the logit of {kind} {self.output}" if self.outputs.task != "numbers" else f"output {self.output}"
        if self.logits.ndim == 2:
            return f"{of} at the last position"
        return f"the mean over all positions of {of}" if self.logits.ndim > 2 else of


def answers(network: Network, leaves: list[Any]) -> list[Array]:
    """The logits of a batch, then what may be the targets, each by example; one program for all that asks for them.

    Raises:
        ValueError: the network's output was not found.
    """
    outputs = outputs_of(network)
    if outputs is None:
        raise ValueError(_UNKNOWN)
    spots = [outputs.logits, *outputs.targets]
    program = network.compiled("answers", lambda: lambda leaves: network.take(leaves, spots))
    logits, *targets = [np.asarray(each) for each in program(leaves)]
    return [logits.astype(np.float32), *targets]


def score(logits: Any, output: Any) -> Any:
    """The score of one example: of several positions in a row the last one's, of those of an image the mean.

    Args:
        logits: (positions ..., classes), or () for a single output.
        output: which class.
    """
    if logits.ndim == 0:
        return logits
    if logits.ndim == 2:
        logits = logits[-1]
    chosen = logits[..., output]
    return chosen if chosen.ndim == 0 else chosen.mean()


def case_of(data: Data, params: Any, state: Any, example: int, output: int | None = None) -> Case:
    """The case of a numbered example."""
    network, batch, row = data.find(example)
    return Case(network, network.leaves(params, state, batch), row, output)


def gradient_at(case: Case, spot: Spot) -> tuple[Array, Array]:
    """The derivative of the score by a value inside the program, and the value, both (positions ..., units).

    Args:
        case: of which example and score.
        spot: the value; it must be outside loops.
    """
    network, logits = case.network, case.outputs.logits

    def run(leaves: list[Any], row: Any, output: Any) -> Any:
        def total(addition: jax.Array) -> tuple[jax.Array, jax.Array]:
            found, here = network.take_shifted(leaves, [logits, spot], spot.value.place, addition)
            return score(found[row], output).astype(jnp.float32), here

        zeros = jnp.zeros(spot.value.aval.shape, spot.value.aval.dtype)
        slope, here = jax.grad(total, has_aux=True)(zeros)
        return spot.by_example(slope)[row], here[row]

    program = network.compiled(("gradient", spot.value.place), lambda: run)
    slope, here = program(case.leaves, case.row, case.output)
    return np.asarray(slope, np.float32), np.asarray(here, np.float32)
