"""Random rounding to a few levels of the norm."""

from typing import Any

from keras import ops

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import integer
from keras_neural_opt.compression._bits import pack, unpack
from keras_neural_opt.compression._checks import multiple_of
from keras_neural_opt.compression._codec import Codec, Draw, in_blocks

_NIBBLE = 7


@registry.export
class QSGD(Codec):
    r"""Rounds at random to `levels` levels of a block's norm (Alistarh et al., 2017); unbiased.

    .. math::
        Q(x_i) = \lVert x \rVert_2\, \mathrm{sgn}(x_i)\, \xi_i, \qquad
        \xi_i \in \{\lfloor s r_i \rfloor / s, \lceil s r_i \rceil / s\},\;
        E\,\xi_i = r_i = |x_i| / \lVert x \rVert_2

    so that :math:`E\,Q(x) = x` and :math:`E \lVert Q(x) - x \rVert^2 \le \min(n / s^2, \sqrt n / s)
    \lVert x \rVert^2` for blocks of :math:`n` elements. Levels up to 7 are packed into half a byte, those above into
    one; the paper's code of variable length is not used, as a compiled step sends messages of fixed length.

    Args:
        levels: :math:`s`, from 1 to 127. Defaults to 127: a byte an element.
        block: :math:`n`, the elements that share a norm, a multiple of 8. Defaults to 256.
        seed: That of the rounding, an integer from 0 to 2**31 - 1. Defaults to 0. Workers and steps differ.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt import compression
        >>> compression.QSGD(levels=7).unbiased
        True

    References:
        Alistarh, Grubic, Li, Tomioka, Vojnovic, QSGD: Communication-Efficient SGD via Gradient Quantization and
        Encoding, 2017, https://arxiv.org/abs/1610.02132
    """

    unbiased = True
    levels: int
    block: int
    seed: int

    def __init__(self, levels: int = 127, block: int = 256, seed: int = 0) -> None:
        self.set_hyperparameters(
            levels=integer(levels, 1, 127), block=multiple_of(block, 8), seed=integer(seed, 0, 2**31 - 1)
        )

    def encode(self, x: Any, draw: Draw | None = None) -> tuple[Any, ...]:
        """Return levels with their signs, and norms."""
        blocks = in_blocks(x, self.block)
        # Of the largest element apart: squares of large or small numbers are no numbers.
        peak = ops.max(ops.absolute(blocks), axis=-1)
        divisor = ops.where(peak > 0, peak, ops.ones_like(peak))
        norm = peak * ops.sqrt(ops.sum(ops.square(blocks / divisor[..., None]), axis=-1))
        divisor = ops.where(norm > 0, norm, ops.ones_like(norm))
        exact = self.levels * (blocks / divisor[..., None])
        rounded = ops.reshape(ops.floor(exact + draw(exact.shape)), x.shape)  # type: ignore[misc]
        # A number of the norm itself, rounded up by the float, would be one level too many.
        rounded = ops.clip(rounded, -self.levels, self.levels)
        if self.levels > _NIBBLE:
            return ops.cast(rounded, "int8"), norm
        return pack(ops.cast(rounded + 8.0, "uint8"), 4), norm

    def decode(self, payload: tuple[Any, ...]) -> Any:
        """Return levels times norms."""
        packed, norm = payload
        many = self.levels > _NIBBLE
        integers = ops.cast(packed, "float32") if many else ops.cast(unpack(packed, 4), "float32") - 8.0
        blocks = in_blocks(integers, self.block) * (norm / self.levels)[..., None]
        return ops.reshape(blocks, integers.shape)
