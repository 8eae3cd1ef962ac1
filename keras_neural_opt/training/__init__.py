"""Training in one call and what it returns; tools for trained models and for those to be trained."""

from keras_neural_opt.training._batch_norm import recalibrate_batch_norm
from keras_neural_opt.training._diagnosis import Finding, diagnose
from keras_neural_opt.training._find_batch_size import find_batch_size
from keras_neural_opt.training._find_learning_rate import find_learning_rate
from keras_neural_opt.training._learning_rate_range import LearningRateRange
from keras_neural_opt.training._monitor import MonitorSample
from keras_neural_opt.training._recommendation import Advice, Recommendation
from keras_neural_opt.training._result import TrainingResult
from keras_neural_opt.training._scale_invariant import scale_invariant_weights
from keras_neural_opt.training._training_state import TrainingState

__all__ = [
    "Advice",
    "Finding",
    "LearningRateRange",
    "MonitorSample",
    "Recommendation",
    "TrainingResult",
    "TrainingState",
    "diagnose",
    "find_batch_size",
    "find_learning_rate",
    "recalibrate_batch_norm",
    "scale_invariant_weights",
]
