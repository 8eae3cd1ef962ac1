"""Norms of gradients that do not overflow where the squares do."""

from functools import partial
from typing import Any

from keras_neural_opt._core.backend import native
from keras_neural_opt._core.plain_tensors import like
from keras_neural_opt._core.tensors import Scalar, Tensors


def tensor_norms(x: Tensors) -> Any:
    """Return the 2-norm of each tensor, in one 1-D tensor.

    The plain sum of squares overflows float32 from elements of about 1e19; only then everything is divided by the
    largest element first, so the usual step pays nothing for it.
    """
    if not x.whole:
        raise ValueError("a norm needs whole variables: a rule that takes norms must set `elementwise = False`")
    tensors, factor = x.unscaled()
    fast = native.two_norms(tensors)

    def safe() -> Any:
        unit = unit_of(native.largest(tensors))
        return native.two_norms([y / like(unit[i], y) for i, y in enumerate(tensors)]) * unit

    if not native.accumulates_wide(tensors):
        fast = native.choose(native.all_finite(fast), partial(_same, fast), safe)
    return fast if factor is None else fast * abs(factor)


def norm(x: Tensors) -> Tensors:
    """Return the 2-norm of each tensor, as a scalar of its dtype. For rules with `elementwise = False`."""
    norms = tensor_norms(x)
    return x.new(like(norms[i], y) for i, y in enumerate(x.tensors))


def global_norm(x: Tensors) -> Scalar:
    """Return the 2-norm of all elements together, or something not finite if an element is not."""
    norms = tensor_norms(x)
    unit = unit_of(native.largest([norms])[0])
    return native.two_norms([norms / unit])[0] * unit


def unit_of(top: Any) -> Any:
    """Return what to divide by, so that squares of what is at most `top` do not overflow."""
    # Not above 2**120: XLA divides by multiplying with the reciprocal, which must not be so small that it becomes 0.
    return native.where(native.isfinite(top) & (top > 0), native.minimum(top, 2.0**120), native.ones_like(top))


def _same(x: Any) -> Any:
    return x
