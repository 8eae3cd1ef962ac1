"""A small task and models for the searches."""

from typing import Any

import keras
import keras_tuner as kt
import numpy as np

X = np.linspace(-1.0, 1.0, 32, dtype="float32").reshape(-1, 1)
DATA = (X, 2 * X)


def line(rate: float = 0.1) -> keras.Model:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(rate), "mse", jit_compile=False)
    return model


def build(hp: kt.HyperParameters) -> keras.Model:
    return line(hp.Float("rate", 1e-3, 1.0, sampling="log"))


class Plain(kt.HyperModel):
    """Trains nothing: the value is a function of the hyperparameters."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self._value = value

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    def fit(self, hp: kt.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return self._value(hp)
