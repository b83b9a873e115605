"""The origin of a NaN: the first operation that made something non-finite of finite numbers."""

from ._any_function import nan_origin as nan_origin
from ._objective import ObjectiveOrigin as ObjectiveOrigin
