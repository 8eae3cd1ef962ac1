"""Training in one call and what it returns; tools for trained models."""

from keras_neural_opt.training._batch_norm import recalibrate_batch_norm
from keras_neural_opt.training._result import TrainingResult

__all__ = ["TrainingResult", "recalibrate_batch_norm"]
