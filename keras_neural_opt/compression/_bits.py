"""Small unsigned integers, several in a byte."""

from functools import reduce
from typing import Any

from keras import ops


def pack(x: Any, bits: int) -> Any:
    """Return rows of small integers, packed into bytes.

    Args:
        x: Rows of uint8 below `2 ** bits`, their length a multiple of `8 / bits`.
        bits: 1, 2 or 4.

    Returns:
        Rows of uint8, `8 / bits` times as short. A byte holds elements that are far apart, so that whole slices are
        put together at once.
    """
    slices = ops.reshape(x, (x.shape[0], 8 // bits, -1))
    # A multiplication and a sum, where the bits are apart, are a shift and an or; all backends have them for bytes.
    shifted = [slices[:, i] * ops.cast(1 << bits * i, "uint8") for i in range(8 // bits)]
    return reduce(lambda a, b: a + b, shifted)


def unpack(packed: Any, bits: int) -> Any:
    """Return what `pack` packed.

    Args:
        packed: Rows of uint8.
        bits: As for `pack`.
    """
    mask = (1 << bits) - 1
    slices = [ops.bitwise_and(ops.right_shift(packed, bits * i), mask) for i in range(8 // bits)]
    return ops.reshape(ops.stack(slices, axis=1), (packed.shape[0], -1))
