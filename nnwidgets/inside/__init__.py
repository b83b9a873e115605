"""Pictures of a network for one example, of any framework, from the traced program."""

from ._examples import ORDERS as ORDERS
from ._inside import VIEWS as VIEWS
from ._inside import Inside as Inside
