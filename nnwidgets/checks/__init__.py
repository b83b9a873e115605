"""The checklist, alive: things that are run on a button, each with what was expected and what was measured."""

from typing import Any

from ._activations import Activations as Activations
from ._baselines import Baselines as Baselines
from ._batch_size import BatchSize as BatchSize
from ._connections import Connections as Connections
from ._few_points import FewPoints as FewPoints
from ._first_loss import FirstLoss as FirstLoss
from ._gradients import Gradients as Gradients
from ._ladder import Ladder as Ladder
from ._learning_rate import LearningRate as LearningRate
from ._loss_terms import LossTerms as LossTerms
from ._one_step import OneStep as OneStep
from ._penalty import Penalty as Penalty
from ._repeatable import Repeatable as Repeatable
from ._run import infos as infos
from ._run import run_checks as run_checks
from ._set_up import SetUp as SetUp
from ._shuffled_labels import ShuffledLabels as ShuffledLabels
from ._subject import Subject as Subject
from ._told import told as told
from ._train_and_evaluation import TrainAndEvaluation as TrainAndEvaluation
from ._zeroed_input import ZeroedInput as ZeroedInput

DEFAULT_CHECKS: tuple[Any, ...] = (
    FewPoints(),
    Baselines(),
    Ladder(),
    SetUp(),
    FirstLoss(),
    LossTerms(),
    Penalty(),
    BatchSize(),
    ZeroedInput(),
    ShuffledLabels(),
    Gradients(),
    Activations(),
    Connections(),
    OneStep(),
    LearningRate(),
    TrainAndEvaluation(),
    Repeatable(),
)
