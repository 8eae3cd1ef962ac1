"""Quantities of each unit of a variable: of a column of a matrix, of a filter of a convolution kernel.

A unit is all that shares an index along the last axis, which is the output of Keras' kernels. Of a vector or a scalar
the whole is one unit.
"""

import math
from functools import partial
from typing import Any

import keras

from keras_neural_opt._core.backend import native
from keras_neural_opt._core.norms import unit_of
from keras_neural_opt._core.plain_tensors import like
from keras_neural_opt._core.tensors import Tensors


def mean_of_units(x: Any) -> Any:
    """Return the mean of each unit of a tensor, its other axes kept with length 1."""
    axes = _inputs(x)
    count = math.prod(int(x.shape[axis]) for axis in axes)
    # Divided first: a sum of halves would overflow.
    return native.sum_over(x / max(count, 1), axes)


def norms_of_units(x: Tensors) -> list[Any]:
    """Return the 2-norm of each unit of each tensor, in at least float32, the other axes kept with length 1.

    As `tensor_norms` it divides by the largest element where squares overflow, and only there.
    """
    tensors = [_widened(y) for y in x.tensors]
    fast = [_norms(y) for y in tensors]

    def safe() -> list[Any]:
        units = unit_of(native.largest(tensors))
        return [_norms(y / like(units[i], y)) * like(units[i], y) for i, y in enumerate(tensors)]

    finite = native.all_finite(native.stack([native.total(y) for y in fast]))
    return list(native.choose(finite, partial(list, fast), safe))


def _widened(x: Any) -> Any:
    half = keras.backend.standardize_dtype(x.dtype) in ("float16", "bfloat16")
    return native.cast(x, "float32") if half else x


def _norms(x: Any) -> Any:
    return native.sqrt(native.sum_over(x * x, _inputs(x)))


def _inputs(x: Any) -> range:
    return range(len(x.shape) - 1) if len(x.shape) > 1 else range(len(x.shape))
