"""The list of tensors on torch: one fused call a list instead of one a tensor, in place where the rule allows it."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Self

import torch

from keras_neural_opt._core.backend_torch_due import Due
from keras_neural_opt._core.plain_tensors import PlainTensors, like


class ForeachTensors(PlainTensors):
    """`PlainTensors` over `torch._foreach_*`. Scalars are Python floats, which each tensor's dtype takes in."""

    _due: Due | None = None

    @property
    def tensors(self) -> list[Any]:
        """The tensors."""
        due, self._due = self._due, None
        if due:
            self._tensors = due.done(self).tensors
        return super().tensors

    def scaled_by(self, factor: Any) -> Self:
        """Return `factor * x`, computed when it is read: a part at a time costs no pass over the memory."""
        tensors, pending = self.unscaled()
        return self._later(tensors, Due(factor if pending is None else pending * factor))

    def scaled_by_each(self, factors: Iterable[Any]) -> Self:
        """Return each tensor times its factor, computed when it is read."""
        tensors, factor = self.unscaled()
        return self._later(tensors, Due(factor, list(factors)))

    def clipped_to(self, low: float, high: float) -> Self:
        """Return `clip(x, low, high)`, computed when it is read."""
        if self._due and self._due.bounds:
            return self.new(self.tensors).clipped_to(low, high)
        return self._later(super().tensors, replace(self._due or Due(), bounds=(low, high)))

    def _later(self, tensors: list[Any], due: Due) -> Self:
        later = self.new(tensors)
        later._due = due
        return later

    def divided_by(self, divisor: float) -> Self:
        """Return `x / divisor`, computed when it is read."""
        return self.scaled_by(1.0 / divisor)

    def unscaled(self) -> tuple[list[Any], Any]:
        """Return tensors and the factor, or None, that they must still be multiplied by."""
        due = self._due or Due()
        if due.factors is not None or due.bounds:
            return self.tensors, None
        return super().tensors, due.factor

    def pending(self) -> tuple[list[Any], Due | None]:
        """Return tensors and what is still to be done to them."""
        return super().tensors, self._due

    def _each(self, operation: Any, other: Any) -> Self:
        if isinstance(other, PlainTensors):
            other = other.tensors
        elif isinstance(other, torch.Tensor) and any(x.dtype != other.dtype for x in self.tensors):
            # Of two scalars torch returns the wider, so a wide factor would widen a scalar variable.
            other = [like(other, x) for x in self.tensors]
        return self.new(operation(self.tensors, other))

    def __add__(self, other: Any) -> Self:
        return self._each(torch._foreach_add, other)

    def __sub__(self, other: Any) -> Self:
        return self._each(torch._foreach_sub, other)

    def __rsub__(self, other: Any) -> Self:
        return self.new(torch._foreach_neg(self.tensors)).shift(other)

    def __mul__(self, other: Any) -> Self:
        return self._each(torch._foreach_mul, other)

    def __truediv__(self, other: Any) -> Self:
        return self._each(torch._foreach_div, other)

    def __rtruediv__(self, other: Any) -> Self:
        return self.new(torch._foreach_reciprocal(self.tensors)).scale(other)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Self:
        return self.new(torch._foreach_neg(self.tensors))

    def square(self) -> Self:
        """Return the square of each element."""
        return self.new(torch._foreach_mul(self.tensors, self.tensors))

    def absolute(self) -> Self:
        """Return the absolute value of each element."""
        return self.new(torch._foreach_abs(self.tensors))

    def sign(self) -> Self:
        """Return -1, 0 or 1 for each element."""
        signs = torch._foreach_sign(self.tensors)
        # To torch the sign of NaN is 0. Of one tensor on a CPU a sum tells sooner whether there is one.
        several = len(self.tensors) > 1
        if several or any(x.device.type != "cpu" or not math.isfinite(x.sum()) for x in self.tensors):
            torch._foreach_add_(signs, self.tensors, alpha=0.0)
        return self.new(signs)

    def maximum(self, other: Any) -> Self:
        """Return the elementwise maximum with `other`."""
        return self._each(torch._foreach_maximum, other)

    def clip(self, low: Any, high: Any) -> Self:
        """Return each element moved into `[low, high]`."""
        clipped = torch._foreach_clamp_min(self.tensors, low)
        torch._foreach_clamp_max_(clipped, high)
        return self.new(clipped)

    def root(self, inside: float, outside: float) -> Self:
        """Return `sqrt(x + inside) + outside`, computed in place after the first operation."""
        roots = torch._foreach_add(self.tensors, inside) if inside else torch._foreach_sqrt(self.tensors)
        if inside:
            torch._foreach_sqrt_(roots)
        if outside:
            torch._foreach_add_(roots, outside)
        return self.new(roots)

    def shift(self, c: float) -> Self:
        """Consume; return `x + c`."""
        tensors = self.take()
        torch._foreach_add_(tensors, c)
        return self.new(tensors)

    def lerp(self, x: Self, weight: float) -> Self:
        """Consume; return `s + weight * (x - s)`."""
        tensors = self.take()
        torch._foreach_lerp_(tensors, _as(tensors, x), weight)
        return self.new(tensors)

    def blend(self, other: Self, weight: float) -> Self:
        """Return `x + weight * (y - x)`."""
        return self.new(torch._foreach_lerp(self.tensors, _as(self.tensors, other), weight))

    def running_maximum(self, x: Any) -> Self:
        """Consume; return the elementwise maximum."""
        tensors = self.take()
        torch._foreach_maximum_(tensors, _as(tensors, x) if isinstance(x, PlainTensors) else x)
        return self.new(tensors)

    def ema_of_square(self, x: Self, decay: float) -> Self:
        """Consume; return the moving average `decay * s + (1 - decay) * x**2`."""
        tensors = self.take()
        torch._foreach_mul_(tensors, decay)
        values = _as(tensors, x)
        torch._foreach_addcmul_(tensors, values, values, value=1.0 - decay)
        return self.new(tensors)

    def scale(self, factor: Any) -> Self:
        """Consume; return `factor * x`."""
        tensors = self.take()
        torch._foreach_mul_(tensors, factor.tensors if isinstance(factor, PlainTensors) else factor)
        return self.new(tensors)

    def decay(self, amount: Any) -> Self:
        """Consume; return `x - amount * x`."""
        tensors = self.take()
        torch._foreach_add_(tensors, tensors, alpha=-amount)
        return self.new(tensors)

    def add_scaled(self, x: Self, factor: Any) -> Self:
        """Consume; return `s + factor * x`."""
        tensors = self.take()
        torch._foreach_add_(tensors, _as(tensors, x), alpha=factor)
        return self.new(tensors)

    def add_quotient(self, x: Self, over: Self, factor: Any) -> Self:
        """Consume; return `s + factor * x / over`."""
        tensors = self.take()
        torch._foreach_addcdiv_(tensors, _as(tensors, x), _as(tensors, over), value=factor)
        return self.new(tensors)

    def add_product(self, x: Self, y: Self, factor: Any) -> Self:
        """Consume; return `s + factor * x * y`."""
        tensors = self.take()
        torch._foreach_addcmul_(tensors, _as(tensors, x), _as(tensors, y), value=factor)
        return self.new(tensors)


def _as(tensors: list[Any], x: PlainTensors) -> list[Any]:
    """Return the tensors of `x` in the dtypes of `tensors`: the kernels take no mixture."""
    if [y.dtype for y in x.tensors] == [s.dtype for s in tensors]:
        return x.tensors
    return [y.to(s.dtype) for y, s in zip(x.tensors, tensors, strict=True)]
