"""Quantities of each unit of a variable: of a column of a matrix, of a filter of a convolution kernel.

A unit is all that shares an index along the last axis, which is the output of the kernels of `Dense` and `Conv`. What
has only one axis longer than 1 is one unit.
"""

import math
from typing import Any

from keras import ops

from keras_neural_opt._core.backend import native
from keras_neural_opt._core.norms import unit_of
from keras_neural_opt._core.plain_tensors import like
from keras_neural_opt._core.tensors import Tensors, widened


def centred_units(x: Any) -> Any:
    """Return a tensor less the mean of each unit; what is one unit, or has units of one element, as it is."""
    axes = range(len(x.shape) - 1)
    count = math.prod(int(x.shape[axis]) for axis in axes)
    if count < 2:
        return x
    return x - like(native.sum_over(widened(x) / count, axes), x)


def norms_of_units(x: Tensors) -> list[Any]:
    """Return the 2-norm of each unit of each tensor, in at least float32, the other axes kept with length 1."""
    return [_norms(widened(y)) for y in x.tensors]


def _norms(x: Any) -> Any:
    axes = tuple(_inputs(x))
    if 0 in x.shape:
        return native.sum_over(x, axes)
    # Of each unit its own largest element, so that no square overflows. Only where it is needed would be a condition,
    # which an accelerator waits for.
    unit = unit_of(ops.max(ops.abs(x), axis=axes, keepdims=True) if axes else abs(x))
    return native.sqrt(native.sum_over((x / unit) ** 2, axes)) * unit


def _inputs(x: Any) -> range:
    several = sum(int(n) != 1 for n in x.shape) > 1
    return range(len(x.shape) - 1) if several else range(len(x.shape))
