"""The trust ratio of LARS and LAMB: how long a variable's step may be, measured by the variable itself."""

from collections.abc import Sequence
from typing import Any

from keras_neural_opt._core.backend import native
from keras_neural_opt._core.tensors import Tensors


def trust_ratios(top: Any, bottom: Any, adapted: Sequence[bool]) -> Any:
    """Return `top / bottom`, and 1 where either is 0 or a variable is not adapted: new biases are 0 and must move.

    Args:
        top: A number >= 0 a variable, such as its norm, in one 1-D tensor.
        bottom: The same of its step.
        adapted: Which of the variables have a ratio.
    """
    usable = (top > 0) & (bottom > 0)
    if not all(adapted):
        usable = usable & (native.vector([float(mark) for mark in adapted], top) > 0)
    one = native.ones_like(top)
    return native.where(usable, top / native.where(usable, bottom, one), one)


def each(x: Tensors, values: Any) -> Tensors:
    """Return the numbers of a 1-D tensor as a list of scalars to compute with `x`."""
    return x.new(values[i] for i in range(len(x.tensors)))
