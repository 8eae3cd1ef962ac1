"""Training in one call, and what it returns."""

from keras_neural_opt.training._result import TrainingResult

__all__ = ["TrainingResult"]
