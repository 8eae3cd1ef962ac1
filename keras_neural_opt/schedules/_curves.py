"""The curves along which rates fall: functions of the part of the way that is done and of that which is left."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from keras_neural_opt._core.scalars import select, sin, sqrt
from keras_neural_opt.schedules._steps import progress, reached

Curve = Callable[[Any, Any], Any]


def linear(done: Any, left: Any) -> Any:
    """A straight line from 1 to 0."""
    return left


def cosine(done: Any, left: Any) -> Any:
    """Half a cosine from 1 to 0. As a squared sine of what is left its small values keep all their digits."""
    return sin(left * (math.pi / 2)) ** 2


def one_minus_root(done: Any, left: Any) -> Any:
    """`1 - sqrt(x)`: steep at first, flat at the end."""
    return 1.0 - sqrt(done)


CURVES: dict[str, Curve] = {"linear": linear, "cosine": cosine, "1-sqrt": one_minus_root}


def through(step: Any, ends: Sequence[float], values: Sequence[float], curves: Sequence[Curve]) -> Any:
    """Return the value at `step` of a curve through points, which stays at the last.

    Args:
        step: An int or an integer tensor.
        ends: Where each point lies, in steps from the first; the first is 0.
        values: The values there.
        curves: How it goes from each point to the next.
    """
    value: Any = values[-1]
    pieces = list(zip(ends, ends[1:], values, values[1:], curves, strict=False))
    for start, end, first, last, curve in reversed(pieces):
        if end > start:
            here = last + (first - last) * curve(*progress(step, start, end))
            passed = reached(step, int(end // 1) + 1)
            value = select(passed, value, here)
    return value
