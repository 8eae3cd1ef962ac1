"""Optimizers, schedules and gradient transforms for Keras 3 on TensorFlow, JAX and torch."""

from keras_neural_opt import optimizers, schedules, transforms

__version__ = "0.1.0"

__all__ = ["optimizers", "schedules", "transforms"]
