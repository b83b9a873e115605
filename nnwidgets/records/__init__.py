"""Plain data: what was read, what was found, where the run stands. NumPy only."""

from ._diagnosis import Check as Check
from ._diagnosis import Diagnosis as Diagnosis
from ._facts import Facts as Facts
from ._finding import Finding as Finding
from ._finding import Notice as Notice
from ._finding import Severity as Severity
from ._finding import plain as plain
from ._fork import Fork as Fork
from ._gradient_report import GradientReport as GradientReport
from ._gradient_report import RuleCheck as RuleCheck
from ._gradient_report import TensorCheck as TensorCheck
from ._gradient_report import reading as reading
from ._histogram import Histogram as Histogram
from ._history import Branch as Branch
from ._history import History as History
from ._history import Table as Table
from ._history import UnknownReading as UnknownReading
from ._nan_report import NanReport as NanReport
from ._nan_report import Operand as Operand
from ._nan_report import Origin as Origin
from ._series import Series as Series
from ._spike import Spike as Spike
from ._status import Command as Command
from ._status import RunState as RunState
from ._status import Status as Status
