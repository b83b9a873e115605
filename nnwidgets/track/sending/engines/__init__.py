"""Where runs can be sent: one file a tracking system, imported only when that one is."""

from ._engine import Engine as Engine
from ._engine import Refused as Refused
from ._engine import Row as Row
from ._target import engine as engine
from ._target import parse_target as parse_target
