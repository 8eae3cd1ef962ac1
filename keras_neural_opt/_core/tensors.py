"""What a rule is written with: the list of tensors of this backend, and functions that read like the papers."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import keras

from keras_neural_opt._core.backend import NAME, native
from keras_neural_opt._core.plain_tensors import PlainTensors, like
from keras_neural_opt._core.scalars import expm1, is_host, log, sqrt
from keras_neural_opt._core.scalars import select as select_scalar

if TYPE_CHECKING or NAME != "torch":
    Tensors = PlainTensors
else:
    from keras_neural_opt._core.backend_torch_foreach import ForeachTensors as Tensors

Scalar: TypeAlias = Any
"""A Python float on torch, a 0-d float32 tensor on JAX and TensorFlow."""


def ema(s: Tensors, x: Tensors, decay: float) -> Tensors:
    """Return the moving average `decay * s + (1 - decay) * x`. Consumes `s`."""
    return s.lerp(x, 1.0 - decay)


def lerp(s: Tensors, x: Tensors, weight: Scalar) -> Tensors:
    """Return `s + weight * (x - s)`: a moving average whose decay, `1 - weight`, may change. Consumes `s`."""
    return s.lerp(x, weight)


def blend(x: Tensors, y: Tensors, weight: Scalar) -> Tensors:
    """Return `x + weight * (y - x)`."""
    return x.blend(y, weight)


def ema_of_square(s: Tensors, x: Tensors, decay: float) -> Tensors:
    """Return the moving average of squares `decay * s + (1 - decay) * x**2`. Consumes `s`."""
    return s.ema_of_square(x, decay)


def descend(p: Tensors, direction: Tensors, step: Tensors | Scalar, over: Tensors | Scalar = 1.0) -> Tensors:
    """Return `p - step * direction / over`, where one of `step` and `over` may be a list. Consumes `p`."""
    if isinstance(over, PlainTensors):
        return p.add_quotient(direction, over, -step)
    if isinstance(step, PlainTensors):
        return p.add_product(direction, step, -1.0 / over)
    return p.add_scaled(direction, -step / over)


def scale(x: Tensors, factor: Scalar) -> Tensors:
    """Return `factor * x`. Consumes `x`."""
    return x.scale(factor)


def shift(x: Tensors, c: Scalar) -> Tensors:
    """Return `x + c`. Consumes `x`."""
    return x.shift(c)


def decay(x: Tensors, amount: Scalar) -> Tensors:
    """Return `x - amount * x`. Consumes `x`."""
    return x.decay(amount)


def add_scaled(s: Tensors, x: Tensors, factor: Scalar) -> Tensors:
    """Return `s + factor * x`. Consumes `s`."""
    return s.add_scaled(x, factor)


def add_quotient(s: Tensors, x: Tensors, over: Tensors, factor: Scalar) -> Tensors:
    """Return `s + factor * x / over`. Consumes `s`."""
    return s.add_quotient(x, over, factor)


def add_product(s: Tensors, x: Tensors, y: Tensors, factor: Scalar) -> Tensors:
    """Return `s + factor * x * y`. Consumes `s`."""
    return s.add_product(x, y, factor)


def root(x: Any, inside: float = 0.0, outside: float = 0.0) -> Any:
    """Return `sqrt(x + inside) + outside`, of a scalar or of each element: the two places of epsilon."""
    return x.root(inside, outside) if isinstance(x, PlainTensors) else sqrt(x + inside) + outside


def square(x: Tensors) -> Tensors:
    """Return the square of each element."""
    return x.square()


def absolute(x: Tensors) -> Tensors:
    """Return the absolute value of each element."""
    return x.absolute()


def sign(x: Tensors) -> Tensors:
    """Return -1, 0 or 1 for each element."""
    return x.sign()


def maximum(x: Tensors, y: Any) -> Tensors:
    """Return the elementwise maximum."""
    return x.maximum(y)


def running_maximum(s: Tensors, x: Any) -> Tensors:
    """Return the elementwise maximum. Consumes `s`."""
    return s.running_maximum(x)


def multiply_each(x: Tensors, factors: Sequence[Scalar]) -> Tensors:
    """Return each tensor times its factor, which for half precision may be out of its range.

    A factor is a tensor of one number, or of one for each index of the last axis.
    """
    if not any(map(is_half, x.tensors)):
        return x.scaled_by_each(like(factor, y) for factor, y in zip(factors, x.tensors, strict=True))
    pairs = ((y, widened(y), factor) for y, factor in zip(x.tensors, factors, strict=True))
    return x.new(native.cast(wide * like(factor, wide), y.dtype) for y, wide, factor in pairs)


def is_half(x: Any) -> bool:
    """Whether a tensor is of half precision."""
    return keras.backend.standardize_dtype(x.dtype) in ("float16", "bfloat16")


def widened(x: Any) -> Any:
    """Return a tensor in at least float32."""
    return native.cast(x, "float32") if is_half(x) else x


def clip(x: Tensors, low: Scalar, high: Scalar) -> Tensors:
    """Return each element of `x` moved into `[low, high]`."""
    return x.clip(low, high)


def select(condition: Any, yes: Any, no: Scalar) -> Any:
    """Return `yes`, a list or a scalar, where the scalar condition holds, else `no`; neither may be NaN."""
    if isinstance(yes, PlainTensors) and not isinstance(condition, bool):
        return yes.map(lambda x: native.where(condition, x, native.cast(no, x.dtype)))
    return select_scalar(condition, yes, no)


def on_marked(marks: Sequence[bool], function: Callable[..., Tensors], x: Tensors, *others: Tensors) -> Tensors:
    """Return `x` with its marked tensors replaced by `function` of them and of their partners in `others`."""
    if all(marks):
        return function(x, *others)
    if not any(marks):
        return x
    chosen = [y.new(z for z, marked in zip(y.tensors, marks, strict=True) if marked) for y in (x, *others)]
    changed = iter(function(*chosen).tensors)
    return x.new(next(changed) if marked else z for z, marked in zip(x.tensors, marks, strict=True))


def bias_correction(decay: Scalar, t: Scalar) -> Scalar:
    """Return `1 - decay**t`, by `expm1`: exact to the last bits in float32 too, where the difference is not."""
    if is_host(decay) and not decay:
        return 1.0
    return -expm1(t * log(decay))


__all__ = [
    "Scalar",
    "Tensors",
    "absolute",
    "add_product",
    "add_quotient",
    "add_scaled",
    "bias_correction",
    "blend",
    "clip",
    "decay",
    "descend",
    "ema",
    "ema_of_square",
    "lerp",
    "maximum",
    "root",
    "running_maximum",
    "scale",
    "select",
    "shift",
    "sign",
    "square",
]
