"""How the tensors of a bucket lie in one vector."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from keras import ops

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """The shapes of tensors that are sent as one vector, one after another.

    Args:
        shapes: Their shapes, in order.

    Example:
        >>> from keras_neural_opt import compression
        >>> compression.Layout(((2, 3), (3,))).size
        9
    """

    shapes: tuple[Shape, ...]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The number of elements of each."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def size(self) -> int:
        """The number of elements of all."""
        return sum(self.sizes)

    def join(self, tensors: Sequence[Any]) -> Any:
        """Return the elements of the tensors as one vector.

        Args:
            tensors: One of each shape.
        """
        flat = [ops.reshape(x, (-1,)) for x in tensors]
        return flat[0] if len(flat) == 1 else ops.concatenate(flat)

    def split(self, vector: Any) -> list[Any]:
        """Return the tensors whose elements a vector holds.

        Args:
            vector: As `join` returned it.
        """
        ends = list(accumulate(self.sizes))
        starts = [0, *ends[:-1]]
        return [ops.reshape(vector[a:b], shape) for a, b, shape in zip(starts, ends, self.shapes, strict=True)]
