"""Checks of what an optimizer is given: learning rate, transforms, unknown arguments, gradients."""

import copy
from collections.abc import Sequence
from typing import Any

import keras

from keras_neural_opt._core.arguments import is_number
from keras_neural_opt._core.masks import path_of
from keras_neural_opt.transforms import GradientTransform

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule


def as_lists(optimizer: Any, grads: Sequence[Any], variables: Sequence[Any] | None) -> tuple[list[Any], list[Any]]:
    """Return what a call of `apply` was given; the variables are those that the optimizer was built for by default."""
    gradients = list(grads)
    if variables is not None:
        return gradients, list(variables)
    if gradients and not optimizer.built:
        raise ValueError(
            f"{type(optimizer).__name__}.apply needs the variables on its first call, or build() before it"
        )
    return gradients, list(optimizer._trainable_variables) if gradients else []


def check_gradients(owner: str, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
    """Raise `ValueError` unless there is one gradient a variable, None or of the variable's shape."""
    if len(gradients) != len(variables):
        raise ValueError(
            f"{owner}.apply got {len(gradients)} gradients for {len(variables)} variables;"
            " pass one gradient a variable, None where there is none"
        )
    for gradient, variable in zip(gradients, variables, strict=True):
        if gradient is None or getattr(gradient, "shape", None) == variable.shape:
            continue
        shape = static_shape(gradient)
        if shape is not None and shape != tuple(variable.shape):
            raise ValueError(
                f"{owner}.apply got a gradient of shape {shape} for variable {path_of(variable)} of shape"
                f" {tuple(variable.shape)}; they must be equal"
            )


def check_model(optimizer: Any, variables: Sequence[Any]) -> None:
    """Raise `ValueError` unless the optimizer was built for these variables, and perhaps for more.

    On JAX the trainer hands over values and not variables, so that only the end of `fit` tells whose they were.
    """
    known = {id(v) for v in optimizer._trainable_variables}
    stranger = next((v for v in variables if id(v) not in known), None)
    if stranger is not None:
        raise ValueError(
            f"{type(optimizer).__name__} was built for another model than that of {path_of(stranger)}, and its state is"
            " that one's; make an optimizer for each model"
        )


def static_shape(gradient: Any) -> tuple[int, ...] | None:
    """Return the shape of a gradient, or None where a graph leaves part of it open."""
    try:
        shape = tuple(gradient.shape)
    except (AttributeError, ValueError):  # Slices with a tuple as their shape; a tensor of unknown rank in a graph.
        return None
    return None if None in shape else shape


def check_learning_rate(owner: str, value: Any) -> Any:
    """Return a schedule or a function as it is, and a number as a float."""
    if isinstance(value, LearningRateSchedule) or (callable(value) and not isinstance(value, (type, keras.Variable))):
        return value
    if is_number(value) and value >= 0:
        return float(value)
    raise ValueError(
        f"{owner}.learning_rate must be a number >= 0, a LearningRateSchedule or a function without arguments;"
        f" received {value!r}"
    )


def check_transforms(owner: str, transforms: Any) -> tuple[GradientTransform, ...]:
    """Return copies of the transforms: each optimizer builds its own state into its own."""
    given = transforms if isinstance(transforms, (list, tuple)) else None
    if given is None or not all(isinstance(t, GradientTransform) for t in given):
        raise ValueError(f"{owner}.gradient_transforms must be a list of GradientTransforms; received {transforms!r}")
    return tuple(copy.copy(transform) for transform in given)
