"""The package name under which Keras saves our classes."""

from typing import TypeVar

import keras

PACKAGE = "keras_neural_opt"

T = TypeVar("T", bound=type)


def export(cls: T) -> T:
    """Register `cls` with Keras as `keras_neural_opt>ClassName`, so that saved models find it again."""
    keras.saving.register_keras_serializable(PACKAGE)(cls)
    return cls
