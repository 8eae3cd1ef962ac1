"""Changes of gradients on torch that are computed when they are read: of a part at a time they cost no memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch


@dataclass(frozen=True)
class Due:
    """What gradients are still to be multiplied by and then clipped to.

    Args:
        factor: A number for all of them, or None.
        factors: For each of them a tensor of one number, or of one for each index of its last axis; or None.
        bounds: The interval to clip to, or None.
    """

    factor: Any = None
    factors: Sequence[Any] | None = None
    bounds: tuple[float, float] | None = None

    def fits(self, tensors: Sequence[Any], part: int) -> bool:
        """Whether each part of about `part` elements holds whole rows of what has a factor for each column."""
        pairs = zip(self.factors or [], tensors, strict=False)
        return all(f.numel() == 1 or (x.dim() > 0 and f.numel() == x.shape[-1] <= part) for f, x in pairs)

    def changes_something(self, x: Any) -> bool:
        """Whether anything changes for gradients like `x`, as far as it is known without waiting."""
        alone = self.factors is None and self.bounds is None and x.device.type == "cpu"
        return not alone or float(self.factor) != 1.0

    def done(self, x: Any) -> Any:
        """Return the list `x` as it is then to be."""
        if self.factor is not None:
            x = x * self.factor
        if self.factors is not None:
            x = x * x.new(self.factors)
        return x.clip(*self.bounds) if self.bounds else x

    def done_to_part(self, x: Any, indices: Sequence[int], scratch: Any) -> list[Any]:
        """Return a part of the gradients, in `scratch` if it fits: fresh memory costs more than the arithmetic.

        Args:
            x: The part, as a list.
            indices: Which of the gradients it is of.
            scratch: A flat tensor.
        """
        y = x.tensors[0]
        if len(x.tensors) == 1 and y.dim() == 1 and y.numel() <= scratch.numel() and y.dtype is scratch.dtype:
            return [self._done_to_stretch(y, indices[0], scratch[: y.numel()])]
        own = replace(self, factors=self.factors and [self.factors[i] for i in indices])
        changed: list[Any] = own.done(x).tensors
        return changed

    def _done_to_stretch(self, x: Any, index: int, out: Any) -> Any:
        if self.factor is not None:
            x = torch.mul(x, self.factor, out=out)
        if self.factors is not None:
            row = self.factors[index].reshape(-1)
            torch.mul(x.view(-1, row.numel()), row, out=out.view(-1, row.numel()))
            x = out
        return torch.clamp(x, *self.bounds, out=out) if self.bounds else x
