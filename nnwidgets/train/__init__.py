"""The run: its steps, what is read of them, and who may steer it."""

from ._compiles import compiles as compiles
from ._experiments import EXPERIMENTS as EXPERIMENTS
from ._experiments import Bench as Bench
from ._experiments import Outcome as Outcome
from ._experiments import try_out as try_out
from ._folder import read_state as read_state
from ._folder import write_state as write_state
from ._fork import Change as Change
from ._fork import Way as Way
from ._fork import fork as fork
from ._monitor import Monitor as Monitor
from ._programs import Programs as Programs
from ._programs import scale as scale
from ._session import Session as Session
from ._timeline import Saved as Saved
from ._tracking import Setting as Setting
