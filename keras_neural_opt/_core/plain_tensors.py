"""A list of tensors that a rule treats as one value, in the form that XLA compiles well."""

from collections.abc import Callable, Iterable
from typing import Any, Self

from keras_neural_opt._core.backend import native


def like(c: Any, x: Any) -> Any:
    """Return the scalar or tensor `c` in the dtype of the tensor `x`; plain numbers adapt by themselves."""
    if isinstance(c, (int, float)) or c.dtype == x.dtype:
        return c
    return native.cast(c, x.dtype)


class PlainTensors:
    """A list of tensors of any shapes that is computed with as one value.

    The operators `+ - * /` and `square`, `absolute`, `sign`, `maximum`, `blend`, `clip`, `root` leave their operands as
    they are. `ema_of_square`, `lerp`, `running_maximum`, `scale`, `shift`, `decay`, `add_scaled`, `add_quotient` and
    `add_product` consume their first operand: on torch they update it in place, so its old handle must not be read
    again, and on every backend reading it raises.

    Args:
        tensors: The tensors.
        whole: Whether each is a whole variable, or a part of one, of which no norm may be taken.
    """

    def __init__(self, tensors: Iterable[Any], whole: bool = True) -> None:
        self._tensors: list[Any] | None = list(tensors)
        self.whole = whole
        self.borrowed = False

    @property
    def tensors(self) -> list[Any]:
        """The tensors."""
        if self._tensors is None:
            raise RuntimeError(
                "this value was consumed by ema, descend or another updating function; use what that call returned"
            )
        return self._tensors

    def take(self) -> list[Any]:
        """Return the tensors and make this handle unusable."""
        if self.borrowed:
            raise RuntimeError("a gradient belongs to the caller and must not be consumed; use an operator instead")
        tensors, self._tensors = self.tensors, None
        return tensors

    def new(self, tensors: Iterable[Any]) -> Self:
        """Return a value of the same kind that holds `tensors`."""
        return type(self)(tensors, self.whole)

    def map(self, function: Callable[[Any], Any]) -> Self:
        """Return `function` of each tensor."""
        return self.new(map(function, self.tensors))

    def pair(self, function: Callable[[Any, Any], Any], other: Any) -> Self:
        """Return `function` of each tensor and its partner: a tensor of `other`, or `other` itself if a scalar."""
        if isinstance(other, PlainTensors):
            return self.new(function(x, like(y, x)) for x, y in zip(self.tensors, other.tensors, strict=True))
        return self.new(function(x, like(other, x)) for x in self.tensors)

    def __add__(self, other: Any) -> Self:
        return self.pair(lambda x, y: x + y, other)

    def __sub__(self, other: Any) -> Self:
        return self.pair(lambda x, y: x - y, other)

    def __rsub__(self, other: Any) -> Self:
        return self.pair(lambda x, y: y - x, other)

    def __mul__(self, other: Any) -> Self:
        return self.pair(lambda x, y: x * y, other)

    def __truediv__(self, other: Any) -> Self:
        return self.pair(lambda x, y: x / y, other)

    def __rtruediv__(self, other: Any) -> Self:
        return self.pair(lambda x, y: y / x, other)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Self:
        return self.map(lambda x: -x)

    def scaled_by(self, factor: Any) -> Self:
        """Return `factor * x`, which torch computes only where and when it is read."""
        return self * factor

    def divided_by(self, divisor: float) -> Self:
        """Return `x / divisor`, which torch computes only where and when it is read."""
        return self / divisor

    def scaled_by_each(self, factors: Iterable[Any]) -> Self:
        """Return each tensor times its factor, which torch computes only where and when it is read."""
        return self * self.new(factors)

    def clipped_to(self, low: float, high: float) -> Self:
        """Return `clip(x, low, high)`, which torch computes only where and when it is read."""
        return self.clip(low, high)

    def unscaled(self) -> tuple[list[Any], Any]:
        """Return tensors and the factor, or None, that they must still be multiplied by."""
        return self.tensors, None

    def square(self) -> Self:
        """Return the square of each element."""
        return self.map(lambda x: x * x)

    def absolute(self) -> Self:
        """Return the absolute value of each element."""
        return self.map(abs)

    def sign(self) -> Self:
        """Return -1, 0 or 1 for each element."""
        return self.map(native.sign)

    def maximum(self, other: Any) -> Self:
        """Return the elementwise maximum with `other`."""
        return self.pair(native.maximum, other)

    def clip(self, low: Any, high: Any) -> Self:
        """Return each element moved into `[low, high]`."""
        return self.map(lambda x: native.minimum(native.maximum(x, like(low, x)), like(high, x)))

    def root(self, inside: float, outside: float) -> Self:
        """Return `sqrt(x + inside) + outside`."""
        return self.new(native.sqrt(x + like(inside, x)) + like(outside, x) for x in self.tensors)

    def lerp(self, x: Self, weight: Any) -> Self:
        """Consume; return `s + weight * (x - s)`."""
        return self.new(s + (like(y, s) - s) * like(weight, s) for s, y in zip(self.take(), x.tensors, strict=True))

    def blend(self, other: Self, weight: Any) -> Self:
        """Return `x + weight * (y - x)`."""
        return self.pair(lambda x, y: x + (y - x) * like(weight, x), other)

    def ema_of_square(self, x: Self, decay: float) -> Self:
        """Consume; return the moving average `decay * s + (1 - decay) * x**2`."""
        weight = 1.0 - decay
        pairs = ((s, like(y, s)) for s, y in zip(self.take(), x.tensors, strict=True))
        return self.new(s * decay + y * y * weight for s, y in pairs)

    def running_maximum(self, x: Any) -> Self:
        """Consume; return the elementwise maximum."""
        return self.new(self.take()).maximum(x)

    def scale(self, factor: Any) -> Self:
        """Consume; return `factor * x`."""
        return self.new(x * like(factor, x) for x in self.take())

    def shift(self, c: Any) -> Self:
        """Consume; return `x + c`."""
        return self.new(x + like(c, x) for x in self.take())

    def decay(self, amount: Any) -> Self:
        """Consume; return `x - amount * x`. Not `(1 - amount) * x`: near 1 float32 loses most of a small amount."""
        return self.new(x - x * like(amount, x) for x in self.take())

    def add_scaled(self, x: Self, factor: Any) -> Self:
        """Consume; return `s + factor * x`."""
        return self.new(s + like(factor, s) * like(y, s) for s, y in zip(self.take(), x.tensors, strict=True))

    def add_quotient(self, x: Self, over: Self, factor: Any) -> Self:
        """Consume; return `s + factor * x / over`."""
        triples = zip(self.take(), x.tensors, over.tensors, strict=True)
        return self.new(s + like(factor, s) * like(y, s) / like(z, s) for s, y, z in triples)

    def add_product(self, x: Self, y: Self, factor: Any) -> Self:
        """Consume; return `s + factor * x * y`."""
        triples = zip(self.take(), x.tensors, y.tensors, strict=True)
        return self.new(s + like(factor, s) * like(z, s) * like(w, s) for s, z, w in triples)
