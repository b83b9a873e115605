"""Parameters that the loss does not depend on, while it depends on others."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.records import Finding, Severity
from nnwidgets.trace import Op, layer_of

from ._flow import flow_of, frozen
from ._parts import after, before, captured
from ._setup import Setup
from ._told import told

_HIDDEN = frozenset({"relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish"})
_IN_JAX_NN = "/nn/functions.py"


@dataclass(frozen=True)
class DisconnectedParameters:
    """Some parameters never reach the loss: their gradient is zero whatever the data, and they stay as they are.

    Seen from the program. It is a problem where a hidden layer's activations, or most of the network, are computed and
    then dropped (the next layer was given another variable), and where the loss uses a copy from outside the function
    instead of the parameter. Layers that are never called, or outputs that are not used, may be meant so. Parameters
    that the optimizer holds still are left out.
    """

    largest_share: float = 0.5

    def check(self, setup: Setup) -> Finding | None:
        """One finding that names all of these parameters."""
        flow, paths = flow_of(setup.train), setup.objective.paths
        if not flow.unused or len(flow.unused) == len(paths):
            return None
        unused = sorted(flow.unused - frozen(setup))
        if not unused:
            return None
        sizes = [aval.size for aval in setup.train.program.parameters]
        share = sum(sizes[i] for i in unused) / max(sum(sizes), 1)
        copies = [leaf for leaf in unused if captured(setup, leaf)]
        dropped = [leaf for leaf in unused if self._dropped(setup, leaf)]
        hidden = [leaf for leaf in dropped if self._activated(setup, leaf)]
        severity: Severity = "warning"
        how, leaves = "The layers are never called, or their outputs are not used by the loss.", unused
        remedy = "Call the layer and use what it gives; or leave it out of the parameters."
        if copies:
            severity, leaves = "problem", copies
            how = "The loss uses a copy of them that was taken from outside the function, and that never changes."
            remedy = "Use the params that the loss function is given."
        elif hidden or (dropped and share >= self.largest_share):
            severity, leaves = "problem", hidden or dropped
            how = "They are applied to the data, but what comes out is dropped: the next layer is given another value."
            remedy = "Give the next layer the output of this one."
        layers = list(dict.fromkeys(layer_of(paths[leaf]) for leaf in leaves))
        return told(
            self,
            f"{len(leaves)} of {len(paths)} parameters never reach the loss: {_listed([paths[i] for i in leaves])}. "
            f"{how}",
            remedy,
            severity=severity,
            where=layers[0] if len(layers) == 1 else "",
            line=setup.train.line(self._first_use(setup, leaves)),
            share_of_all_numbers=round(share, 4),
        )

    def _dropped(self, setup: Setup, leaf: int) -> bool:
        """Whether it is mixed with data, and nothing that the loss function returns is made of that."""
        used = flow_of(setup.train).mixed.get(leaf, [])
        kept = before(setup.train.program, setup.train.program.outputs)
        return bool(used) and not any(index in kept for index in used)

    def _activated(self, setup: Setup, leaf: int) -> bool:
        program = setup.train.program
        made = [value for i in flow_of(setup.train).mixed[leaf] for value in program.ops[i].outputs]
        return any(_is_hidden_activation(program.ops[i]) for i in after(program, made))

    def _first_use(self, setup: Setup, leaves: list[int]) -> Op | None:
        used = [i for leaf in leaves for i in flow_of(setup.train).mixed.get(leaf, [])]
        return setup.train.program.ops[min(used)] if used else None


def _is_hidden_activation(op: Op) -> bool:
    """Those that no output layer has."""
    rectified = op.primitive == "max" and any(value.const == 0 for value in op.inputs)
    return rectified or any(f.file.endswith(_IN_JAX_NN) and f.function in _HIDDEN for f in op.stack)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
