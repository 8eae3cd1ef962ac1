"""Four bits an element."""

from typing import Any

from keras import ops

from keras_neural_opt._core import registry
from keras_neural_opt.compression._bits import pack, unpack
from keras_neural_opt.compression._checks import multiple_of
from keras_neural_opt.compression._codec import Codec, Draw, in_blocks
from keras_neural_opt.compression._int8 import scaled_to_integers


@registry.export
class Int4(Codec):
    r"""Sends gradients as 4-bit integers with a scale a block, about an eighth of the bytes.

    .. math::
        q_i = \mathrm{round}(7\, x_i / \max_{j \in B} |x_j|)

    So coarse that it wants error feedback, which `DistributedOptimizer` puts around it.

    Args:
        block: The number of elements that share a scale, a multiple of 8. Defaults to 128, with which a scale adds a
            sixteenth.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt import compression
        >>> compression.Int4()
        Int4(block=128)

    References:
        Dettmers, 8-Bit Approximations for Parallelism in Deep Learning, 2016, https://arxiv.org/abs/1511.04561
    """

    block: int

    def __init__(self, block: int = 128) -> None:
        self.set_hyperparameters(block=multiple_of(block, 8))

    def encode(self, x: Any, draw: Draw | None = None) -> tuple[Any, ...]:
        """Return packed integers and scales."""
        integers, scale = scaled_to_integers(x, self.block, 7)
        return pack(ops.cast(ops.reshape(integers, x.shape) + 8.0, "uint8"), 4), scale

    def decode(self, payload: tuple[Any, ...]) -> Any:
        """Return integers times scales."""
        packed, scale = payload
        integers = ops.cast(unpack(packed, 4), "float32") - 8.0
        return ops.reshape(in_blocks(integers, self.block) * scale[..., None], integers.shape)
