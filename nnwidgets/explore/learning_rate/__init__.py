"""The learning rate: a range test, a map over rates and seeds."""

from ._learning_rate_map import LearningRateMap as LearningRateMap
from ._learning_rate_range import LearningRateRange as LearningRateRange
