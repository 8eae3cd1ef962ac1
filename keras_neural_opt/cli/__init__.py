"""The command `keras-neural-opt`."""

from keras_neural_opt.cli._main import main

__all__ = ["main"]
