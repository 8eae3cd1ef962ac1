"""Quantities of each unit of a variable: of a column of a matrix, of a filter of a convolution kernel.

A unit is all that shares an index along the last axis, which is the output of the kernels of `Dense` and `Conv`. What
has only one axis longer than 1 is one unit.
"""

import math
from typing import Any

from keras_neural_opt._core.backend import native
from keras_neural_opt._core.norms import unit_of
from keras_neural_opt._core.plain_tensors import like
from keras_neural_opt._core.tensors import Tensors, root, widened

# The square of a smaller number loses digits, or is 0 in float32.
_SQUARES_HOLD = 1e-10


def centred_units(x: Any) -> Any:
    """Return a tensor less the mean of each unit; what is one unit, or has units of one element, as it is."""
    if math.prod(int(n) for n in x.shape[:-1]) < 2:
        return x
    return x - like(native.column_means(widened(x)), x)


def norms_of_units(x: Tensors, least: float) -> Tensors:
    """Return the 2-norm of each unit of each tensor, in at least float32, the other axes kept with length 1.

    Args:
        x: The tensors.
        least: What is smaller than this may come out as anything up to it.
    """
    wide = x.map(widened)
    if least < _SQUARES_HOLD or native.waits(wide.tensors):
        return wide.map(_safe_norms)
    plain = root(wide.map(_sums_of_squares))
    finite = native.all_finite(native.two_norms(plain.tensors))  # one condition for all
    return x.new(native.choose(finite, lambda: plain.tensors, lambda: wide.map(_safe_norms).tensors))


def _sums_of_squares(x: Any) -> Any:
    return native.sum_over(x * x, _inputs(x))


def _safe_norms(x: Any) -> Any:
    """Divide each unit by its own largest element, so that no square overflows."""
    axes = _inputs(x)
    if 0 in x.shape:
        return native.sum_over(x, axes)
    unit = unit_of(native.largest_over(x, axes))
    return native.sqrt(native.sum_over((x / unit) ** 2, axes)) * unit


def _inputs(x: Any) -> range:
    several = sum(int(n) != 1 for n in x.shape) > 1
    return range(len(x.shape) - 1) if several else range(len(x.shape))
