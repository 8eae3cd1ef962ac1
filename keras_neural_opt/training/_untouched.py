"""Trying something on a model that is to be trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from keras_neural_opt.training._training_state import TrainingState


def check_trainable(owner: str, model: Any) -> None:
    """Raise `ValueError` unless `model` can be trained at once."""
    if not isinstance(model, keras.Model) or getattr(model, "optimizer", None) is None:
        raise ValueError(f"{owner}.model must be a compiled Keras model; received {model!r}")
    if not model.built:
        raise ValueError(f"{owner}.model must be built; call it once on data, or give it an Input")


def copied(optimizer: Any) -> Any:
    """Return a new optimizer of the same configuration."""
    return type(optimizer).from_config(optimizer.get_config())


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Give a context in which a model can be trained, batch by batch, and after which it is as before.

    Args:
        model: A model that is built and compiled. Within the context it may get another optimizer.
    """
    state = TrainingState.capture(model)
    names = ("optimizer", "train_function", "steps_per_execution", "history")
    before = {name: getattr(model, name, None) for name in names}
    # Several steps in one call would show one loss.
    model.train_function, model.steps_per_execution = None, 1
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(model, name, value)
        state.restore(model)
