"""Arithmetic on step counts and step sizes: Python numbers stay Python numbers, tensors stay tensors."""

import math
import numbers
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.backend import native


def is_host(x: Any) -> bool:
    """Whether `x` is a Python or NumPy number, which is computed with in float64 and without the backend."""
    return isinstance(x, numbers.Real)


def number(x: Any) -> float:
    """Return a number, a variable or a tensor of one element as a Python float."""
    return float(keras.ops.convert_to_numpy(x))


def step_count(step: Any) -> Any:
    """Return a step count as a Python int or as an integer tensor."""
    if is_host(step):
        return int(step)
    return native.read(step) if isinstance(step, keras.Variable) else keras.ops.convert_to_tensor(step)


def to_float(x: Any) -> Any:
    """Return `x` as a Python float or a float32 tensor."""
    return float(x) if is_host(x) else native.cast(x, "float32")


def sqrt(x: Any) -> Any:
    """Square root."""
    return math.sqrt(x) if is_host(x) else native.sqrt(x)


def sin(x: Any) -> Any:
    """Sine."""
    return math.sin(x) if is_host(x) else native.sin(x)


def power(base: float, exponent: Any) -> Any:
    """Return `base ** exponent` for a base > 0; too large a float is infinite."""
    try:
        return base**exponent
    except OverflowError:
        return math.inf


def log(x: Any) -> Any:
    """Natural logarithm."""
    return math.log(x) if is_host(x) else native.log(x)


def expm1(x: Any) -> Any:
    """`exp(x) - 1`, exact near 0."""
    return math.expm1(x) if is_host(x) else native.expm1(x)


def weighted_expm1(weights: np.ndarray, rates: np.ndarray, t: Any) -> Any:
    """Return the sum over k of `weights[k] * (exp(rates[k] * t) - 1)`."""
    if is_host(t):
        return float(weights @ np.expm1(rates * t))
    return native.sum_over(native.cast(weights, t.dtype) * native.expm1(native.cast(rates, t.dtype) * t), [0])[0]


def minimum(x: Any, y: Any) -> Any:
    """The smaller of two."""
    return min(x, y) if is_host(x) else native.minimum(x, y)


def maximum(x: Any, y: Any) -> Any:
    """The larger of two."""
    return max(x, y) if is_host(x) else native.maximum(x, y)


def select(condition: Any, yes: Any, no: Any) -> Any:
    """Return `yes` where the scalar condition holds, else `no`. Both are computed: neither may be NaN."""
    return (yes if condition else no) if isinstance(condition, bool) else native.where(condition, yes, no)
