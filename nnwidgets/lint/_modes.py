"""Training and evaluation mixed up: layers that keep the mode of training, statistics that are never kept."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.records import Finding, Severity

from ._batch_norms import batch_norms_of
from ._dropouts import dropouts_of
from ._functions import plain
from ._parts import before
from ._predictions import outputs_of
from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class TrainModeInEvaluation:
    """In evaluation the network behaves as in training: dropout is active, or batch norms use the batch.

    Seen from the program of the evaluation. Dropout then adds noise to every validation loss and prediction; a batch
    norm makes each prediction depend on the other examples, although running statistics are kept. A problem where there
    is validation data.
    """

    def check(self, setup: Setup) -> list[Finding]:
        """One finding for dropout, one for batch norms."""
        severity: Severity = "problem" if setup.validation else "warning"
        return [each for each in (self._dropout(setup, severity), self._norms(setup, severity)) if each is not None]

    def _dropout(self, setup: Setup, severity: Severity) -> Finding | None:
        traced = setup.evaluation
        used = before(traced.program, [*outputs_of(traced), traced.program.outputs[0]])
        active = [each for each in dropouts_of(traced) if each.op.outputs[0].op in used]
        if not active:
            return None
        return told(
            self,
            f"{len(active)} dropouts are active in evaluation: the same input gives another output at every call.",
            "Switch dropout off in evaluation: take the keyword train in the loss and hand it on (deterministic=not "
            "train, model.eval(), eqx.nn.inference_mode, training=False).",
            severity=severity,
            line=traced.line(active[0].op),
            rate=round(active[0].rate, 6),
        )

    def _norms(self, setup: Setup, severity: Severity) -> Finding | None:
        norms = batch_norms_of(setup.evaluation).found
        if not norms:
            return None
        kept = bool(_running(setup))
        return told(
            self,
            f"{len(norms)} batch norms use the statistics of the batch in evaluation"
            + (
                ", although running averages are kept in the state."
                if kept
                else ": a prediction depends on the other examples."
            ),
            "Use the running averages in evaluation: hand the mode on (use_running_average=not train, model.eval(), "
            "eqx.nn.inference_mode, training=False).",
            severity=severity if kept else "warning",
            line=setup.evaluation.line(norms[0].op),
            values_in_each_mean=norms[0].count,
        )


@dataclass(frozen=True)
class BatchStatisticsNotStored:
    """Batch norms use the batch in training and stored statistics in evaluation, but these are never updated.

    The state that a step returns is the one it was given. Evaluation then divides by a variance of 1 that nothing has.
    Usual cause: the updated collection that the model returns is thrown away.
    """

    def check(self, setup: Setup) -> Finding | None:
        """One finding for all batch norms."""
        norms, stored = batch_norms_of(setup.train).found, batch_norms_of(setup.evaluation).stored
        program, states = setup.train.program, setup.train.states
        returned = program.outputs[1 : 1 + len(states)]
        kept = [k for k in stored if plain(program, returned[k]) is states[k]]
        if not norms or not stored or len(kept) < len(stored):
            return None
        return told(
            self,
            f"Training normalises by the statistics of the batch, evaluation by stored ones, and the {len(kept)} "
            "stored variances come out of "
            "a training step unchanged.",
            'Return the updated state: return loss, {"state": new_state}, with mutable=["batch_stats"] in Flax Linen.',
            line=setup.train.line(norms[0].op),
            batch_norms=len(norms),
            stored_variances=len(kept),
        )


def _running(setup: Setup) -> list[int]:
    """The state's arrays that training makes of the batch."""
    traced = setup.train
    returned = traced.program.outputs[1 : 1 + len(traced.states)]
    return [k for k, value in enumerate(returned) if value.aval.shape and traced.fields_of(value)]
