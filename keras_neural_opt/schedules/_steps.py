"""Arithmetic on steps that may be Python ints of any size or tensors of 32 bits, where a sum might overflow."""

from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.scalars import is_host, maximum, minimum, to_float


def reached(step: Any, boundary: int) -> Any:
    """Return whether `step >= boundary`: a Python bool where no tensor is needed to know."""
    return step >= boundary if boundary <= _largest(step) else False


def since(step: Any, start: int) -> Any:
    """Return how many steps ago `start` was, at least 0, as an integer."""
    return maximum(step - start, 0) if start <= _largest(step) else step * 0


def until(step: Any, end: float) -> Any:
    """Return how far away `end` is, at least 0, as a float; it may lie between two steps."""
    whole = min(int(end // 1), _largest(step))
    return maximum(to_float(whole - step) + (end - whole), 0.0)


def progress(step: Any, start: float, end: float) -> tuple[Any, Any]:
    """Return which part of the way from `start` to `end` is done, and which is left, both from 0 to 1 and exact."""
    length = end - start
    whole = int(start // 1)
    done = maximum(to_float(since(step, whole)) - (start - whole), 0.0)
    return minimum(done / length, 1.0), minimum(until(step, end) / length, 1.0)


def _largest(step: Any) -> int:
    if is_host(step):
        return 2**62
    return int(np.iinfo(keras.backend.standardize_dtype(step.dtype)).max)
