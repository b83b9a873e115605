"""The curvature of the loss: eigenvalues, sharpness, slices, the edge of stability."""

from ._edge_of_stability import EdgeOfStability as EdgeOfStability
from ._loss_surface import LossSurface as LossSurface
from ._sharpness import Sharpness as Sharpness
