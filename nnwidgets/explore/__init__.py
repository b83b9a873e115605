"""Experiments about the parameters of training: each on copies of a run, with its cost told before it starts."""

from ._explorer import Explorer as Explorer
from ._lab import Lab as Lab
from ._lanes import Lane as Lane
from ._lanes import in_lanes as in_lanes
from ._lanes import stack as stack
from ._lanes import trained as trained
from ._rate import learning_rate_of as learning_rate_of
from ._run import infos as infos
from ._run import run_experiment as run_experiment

DEFAULT_EXPERIMENTS = ()
