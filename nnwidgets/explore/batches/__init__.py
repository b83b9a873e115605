"""The batch size: the noise of gradients, and trainings with batches of other sizes."""

from ._batch_sizes import BatchSizes as BatchSizes
from ._gradient_noise import GradientNoise as GradientNoise
