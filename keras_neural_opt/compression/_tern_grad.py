"""Minus one, zero or one."""

from typing import Any

from keras import ops

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import integer
from keras_neural_opt.compression._bits import pack, unpack
from keras_neural_opt.compression._checks import multiple_of
from keras_neural_opt.compression._codec import Codec, Draw, in_blocks


@registry.export
class TernGrad(Codec):
    r"""Rounds at random to -1, 0 or 1 times a block's largest element (Wen et al., 2017); unbiased, 2 bits each.

    .. math::
        \tilde x_i = s\, \mathrm{sgn}(x_i)\, b_i, \qquad s = \max_{j \in B} |x_j|,\; P(b_i = 1) = |x_i| / s

    Its noise is large: clip gradients, and take small blocks or many workers.

    Args:
        block: The number of elements that share a scale, a multiple of 16. Defaults to 256.
        seed: That of the rounding, an integer from 0 to 2**31 - 1. Defaults to 0. Workers and steps differ.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt import compression
        >>> compression.TernGrad()
        TernGrad(block=256, seed=0)

    References:
        Wen, Xu, Yan, Wu, Wang, Chen, Li, TernGrad: Ternary Gradients to Reduce Communication in Distributed Deep
        Learning, 2017, https://arxiv.org/abs/1705.07878
    """

    unbiased = True
    block: int
    seed: int

    def __init__(self, block: int = 256, seed: int = 0) -> None:
        self.set_hyperparameters(block=multiple_of(block, 16), seed=integer(seed, 0, 2**31 - 1))

    def encode(self, x: Any, draw: Draw | None = None) -> tuple[Any, ...]:
        """Return packed signs and scales."""
        blocks = in_blocks(x, self.block)
        scale = ops.max(ops.absolute(blocks), axis=-1)
        taken = draw(blocks.shape) * scale[..., None] < ops.absolute(blocks)  # type: ignore[misc]
        ternary = ops.reshape(ops.sign(blocks) * ops.cast(taken, "float32"), x.shape)
        return pack(ops.cast(ternary + 1.0, "uint8"), 2), scale

    def decode(self, payload: tuple[Any, ...]) -> Any:
        """Return signs times scales."""
        packed, scale = payload
        ternary = ops.cast(unpack(packed, 2), "float32") - 1.0
        return ops.reshape(in_blocks(ternary, self.block) * scale[..., None], ternary.shape)
