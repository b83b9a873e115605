"""Running one experiment."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnwidgets.records import ExperimentInfo, Exploration

from ._lab import Lab


def run_experiment(experiment: Any, lab: Lab) -> Exploration:
    """What an experiment finds, with what it cost.

    Raises:
        TypeError: it returned something else than an `Exploration`.
    """
    started, cost = time.perf_counter(), experiment.cost(lab)
    lab.tell(f"{experiment.name}: {cost}")
    # a rate that is too high overflows: that is what was asked, and no warning in the user's cell
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = experiment.run(lab)
    if not isinstance(found, Exploration):
        raise TypeError(f"{experiment.name} must return an nnw.Exploration from run(lab), got {type(found).__name__}.")
    seconds, complete = time.perf_counter() - started, found.complete and not lab.cut
    return replace(found, cost=cost, complete=complete, step=lab.step, seconds=seconds, at=time.time())


def infos(experiments: Sequence[Any], lab: Lab) -> tuple[ExperimentInfo, ...]:
    """What there is to run, the question that each answers, and what it will cost."""
    return tuple(ExperimentInfo(each.name, _about(each), each.cost(lab)) for each in experiments)


def _about(experiment: Any) -> str:
    """The first paragraph of its docstring, in one line."""
    return " ".join((type(experiment).__doc__ or "").strip().split("\n\n")[0].split())
