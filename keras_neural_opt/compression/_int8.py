"""Eight bits an element."""

from typing import Any

from keras import ops

from keras_neural_opt._core import registry
from keras_neural_opt.compression._checks import multiple_of
from keras_neural_opt.compression._codec import Codec, Draw, in_blocks


def scaled_to_integers(x: Any, block: int, largest: int) -> tuple[Any, Any]:
    """Return blocks as whole numbers up to `largest`, still floats, and the scale of each block.

    Args:
        x: Rows of a multiple of `block` elements.
        block: The elements that share a scale.
        largest: The number for the largest element of a block.
    """
    blocks = in_blocks(x, block)
    scale = ops.max(ops.absolute(blocks), axis=-1) / largest
    # Where all are 0, any divisor but 0 will do.
    divisor = ops.where(scale > 0, scale, ops.ones_like(scale))
    return ops.round(blocks / divisor[..., None]), scale


@registry.export
class Int8(Codec):
    r"""Sends gradients as 8-bit integers with a scale a block (Dettmers, 2016), about a quarter of the bytes.

    .. math::
        q_i = \mathrm{round}(127\, x_i / \max_{j \in B} |x_j|)

    Args:
        block: The number of elements that share a scale, a multiple of 4. Defaults to 256, with which a scale adds a
            sixty-fourth.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt import compression
        >>> compression.Int8(block=64)
        Int8(block=64)

    References:
        Dettmers, 8-Bit Approximations for Parallelism in Deep Learning, 2016, https://arxiv.org/abs/1511.04561
    """

    block: int

    def __init__(self, block: int = 256) -> None:
        self.set_hyperparameters(block=multiple_of(block, 4))

    def encode(self, x: Any, draw: Draw | None = None) -> tuple[Any, ...]:
        """Return integers and scales."""
        integers, scale = scaled_to_integers(x, self.block, 127)
        return ops.reshape(ops.cast(integers, "int8"), x.shape), scale

    def decode(self, payload: tuple[Any, ...]) -> Any:
        """Return integers times scales."""
        integers, scale = payload
        blocks = in_blocks(ops.cast(integers, "float32"), self.block) * scale[..., None]
        return ops.reshape(blocks, integers.shape)
