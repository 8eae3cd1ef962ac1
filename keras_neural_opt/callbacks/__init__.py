"""Callbacks for `fit`."""

from keras_neural_opt.callbacks._progress import TrainingProgress

__all__ = ["TrainingProgress"]
