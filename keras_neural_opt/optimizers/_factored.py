"""A second moment kept as the means of its rows and of its columns (Shazeer and Stern, 2018), for Adafactor and CAME.

A variable of two or more dimensions has factors over its last two; a scalar or vector has its second moment whole, and
factors without elements.
"""

import math
from collections.abc import Sequence
from typing import Any

from keras_neural_opt._core.backend import native
from keras_neural_opt._core.norms import norm
from keras_neural_opt._core.tensors import Scalar, Tensors, lerp, maximum, on_marked
from keras_neural_opt.optimizers._slot import Slot

Shape = tuple[int, ...]


def factor_slots(rows: str, columns: str) -> tuple[Slot, Slot]:
    """Return the slots of the two factors; the mean that each takes keeps its axis, with length 1."""
    return Slot(rows, shape=_rows), Slot(columns, shape=_columns)


def _rows(shape: Shape) -> Shape:
    return (*shape[:-1], 1) if len(shape) >= 2 else (0,)


def _columns(shape: Shape) -> Shape:
    return (*shape[:-2], 1, shape[-1]) if len(shape) >= 2 else (0,)


def unfactored(shape: Shape) -> Shape:
    """Return the shape of the whole second moment: without elements where there are factors."""
    return (0,) if len(shape) >= 2 else shape


def average(
    factored: Sequence[bool], rows: Tensors, columns: Tensors, x: Tensors, weight: Scalar
) -> tuple[Tensors, Tensors]:
    """Move the factors by `weight` towards the means of `x`. Consumes them."""
    return (
        on_marked(factored, lambda s, x: lerp(s, mean(x, -1), weight), rows, x),
        on_marked(factored, lambda s, x: lerp(s, mean(x, -2), weight), columns, x),
    )


def over_root(x: Tensors, rows: Tensors, columns: Tensors) -> Tensors:
    """Return `x` divided by the root of the second moment that the factors stand for."""
    scaled = rows.new(r / native.sum_over(r, [len(r.shape) - 2]) * r.shape[-2] for r in rows.tensors)
    return x / scaled.root(0.0, 0.0) / columns.root(0.0, 0.0)


def mean(x: Tensors, axis: int) -> Tensors:
    """Return each tensor's mean over `axis`, which is kept with length 1."""
    return x.map(lambda y: native.sum_over(y, [len(y.shape) + axis]) * (1.0 / max(y.shape[axis], 1)))


def root_mean_square(x: Tensors) -> Tensors:
    """Return the root of each tensor's mean square."""
    return norm(x) * x.new(max(_size(y), 1) ** -0.5 for y in x.tensors)


def clip_root_mean_square(x: Tensors, limit: float) -> Tensors:
    """Return each tensor scaled down to a root of its mean square of at most `limit`."""
    return x / maximum(root_mean_square(x) * (1.0 / limit), 1.0)


def _size(x: Any) -> int:
    return math.prod(x.shape)
