"""Learning-rate schedules under the names that users of Keras, TensorFlow, PyTorch and MXNet know, for Optax.

Each is equal to its documented formula, and is an Optax schedule: a function from the count of optimizer steps to the learning
rate, in float32, that can be traced. So it is used as ``optax.adamw(schedules.keras.cosine_decay(1e-3, 10_000))``.
"""

from . import keras as keras
from . import mxnet as mxnet
from . import pytorch as pytorch
from . import tensorflow as tensorflow
from ._basic import constant as constant
from ._basic import linear_warmup as linear_warmup
from ._horizon import Horizon as Horizon
from ._horizon import horizon as horizon
from ._inverse_square_root import inverse_square_root as inverse_square_root
from ._inverse_square_root import noam as noam
from ._preview import preview as preview
