"""Trials of the quick tier: faults planted or not, and what the check says beside what each fault does to the gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax.extend.core import jaxpr_as_fun

from nnwidgets.gradchecks import Check
from nnwidgets.records import GradientReport

from ._planted import KINDS, make

STATES = ("fresh", "trained")


@dataclass(frozen=True)
class Trial:
    """One check.

    Attributes:
        inputs: what was checked; tensors first, then the batch, last what plants the fault.
        effects: for each tensor the largest change that the fault makes in its gradient, over the root mean square of the
            healthy gradient; 0 where there is no change.
        tensor: the one whose gradient is faulty; of a fault inside the network the one with the largest effect; -1 if none is.
    """

    network: str
    state: str
    kind: str
    seed: int
    inputs: list[Any]
    report: GradientReport
    effects: np.ndarray
    tensor: int

    @property
    def false_alarms(self) -> list[str]:
        """Suspects whose gradient no fault changes."""
        suspects = {each.path for each in self.report.suspects}
        healthy = [t for t, effect in enumerate(self.effects) if effect == 0 and t != self.tensor]
        return [self.report.tensors[t].path for t in healthy if self.report.tensors[t].path in suspects]

    @property
    def found(self) -> bool:
        """Whether the faulty tensor is among the suspects."""
        return self.tensor >= 0 and self.report.tensors[self.tensor] in self.report.suspects

    @property
    def named(self) -> bool:
        """Whether the report says by which rule, or stop_gradient, the fault was planted."""
        if not self.found:
            return False
        planted = {KINDS[7]: ("stop_gradient", "stopped"), KINDS[8]: ("softsign", "wrong")}
        name, verdict = planted.get(self.kind, ("tampered", "wrong"))
        tensor = self.report.tensors[self.tensor]
        return tensor.verdict == verdict and name in tensor.words

    @property
    def promised(self) -> bool:
        """Whether the effect exceeds the sensitivity that the report states."""
        return self.tensor >= 0 and self.effects[self.tensor] > (self.report.tensors[self.tensor].sensitivity or 0.0)

    def __str__(self) -> str:
        told = f"{self.network} {self.state}, {self.kind}, seed {self.seed}: {self.report.headline}"
        if self.false_alarms:
            told += f"; falsely accused: {', '.join(self.false_alarms)}"
        if self.tensor >= 0:
            tensor = self.report.tensors[self.tensor]
            told += f"; {tensor.path} {tensor.verdict}, effect {self.effects[self.tensor]:.2e} of {tensor.sensitivity}"
        return told


@dataclass
class Counts:
    """What came out of some trials.

    Attributes:
        false_alarms: trials in which a tensor is suspected whose gradient is right.
        found: faults whose tensor is a suspect.
        named: those among them whose cause the report names.
        missed: faults not found whose effect exceeds the stated sensitivity.
        unseen: smaller faults not found, those without any effect included.
        told: the trials that should not be.
        seconds: of each check.
    """

    trials: int = 0
    false_alarms: int = 0
    found: int = 0
    named: int = 0
    missed: int = 0
    unseen: int = 0
    told: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, trial: Trial) -> None:
        """One trial more."""
        self.trials += 1
        self.false_alarms += bool(trial.false_alarms)
        self.found += trial.found
        self.named += trial.named
        if trial.kind != "none" and not trial.found:
            self.missed += trial.promised
            self.unseen += not trial.promised
        if trial.false_alarms or (trial.promised and not trial.found):
            self.told.append(str(trial))
        self.seconds.append(trial.report.seconds)


class Bench:
    """One network with its check, compiled once.

    Args:
        name: of the network.
    """

    def __init__(self, name: str) -> None:
        self.model = make(name)
        self.check = Check(self.model.function)
        self._gradient = jax.jit(jaxpr_as_fun(self.model.function.gradient))

    def trials(self, seed: int, kinds: Sequence[str] = KINDS, states: Sequence[str] = STATES) -> Iterator[Trial]:
        """Each kind of fault in each state, at the points that belong to this seed."""
        for state in states:
            inputs = [*getattr(self.model, state)(seed), *self.model.batch(seed)]
            healthy = self.gradients(inputs, self.model.fault("none", 0)[0])
            for kind in kinds:
                control, tensor = self.model.fault(kind, 2 * seed + STATES.index(state))
                effects = _effects(healthy, self.gradients(inputs, control))
                if tensor is None:
                    tensor = int(effects.argmax()) if effects.any() else -1
                report = self.check.run([*inputs, *control], tier="quick", seed=seed)
                yield Trial(self.model.name, state, kind, seed, [*inputs, *control], report, effects, tensor)

    def gradients(self, inputs: list[Any], control: list[Any]) -> list[np.ndarray]:
        """As the network's own program gives them."""
        return [np.asarray(each, np.float64) for each in self._gradient(*inputs, *control)[1:]]


def _effects(healthy: list[np.ndarray], faulty: list[np.ndarray]) -> np.ndarray:
    changes = [np.abs(one - other).max() for one, other in zip(healthy, faulty, strict=True)]
    typical = [np.sqrt(np.mean(each**2)) for each in healthy]
    return np.array([c / t if t else float(c > 0) for c, t in zip(changes, typical, strict=True)])


def run_trials(bench: Bench, seeds: Sequence[int]) -> dict[tuple[str, str, str], Counts]:
    """Counts by network, state and kind of fault."""
    found: dict[tuple[str, str, str], Counts] = {}
    for seed in seeds:
        for trial in bench.trials(seed):
            found.setdefault((trial.network, trial.state, trial.kind), Counts()).add(trial)
    return found
