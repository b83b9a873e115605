"""Pictures of a network for one example, of any framework, from the traced program."""

from ._inside import Inside as Inside
