"""Half precision on the way."""

from typing import Any

from keras import ops

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import choice
from keras_neural_opt.compression._codec import Codec, Draw

_LARGEST_FLOAT16 = 65504.0


@registry.export
class Cast(Codec):
    r"""Sends gradients in half precision (Micikevicius et al., 2018), a half of their bytes.

    The first to try: nothing to choose, and next to nothing lost. Sums are computed in float32, so that they cannot
    overflow. What is beyond the largest number of float16 is sent as that.

    Args:
        dtype: `"float16"` (default), which has 11 bits of precision and vanishes below 6e-8, or `"bfloat16"`, with 8
            bits and the range of float32.

    Raises:
        ValueError: It is another dtype.

    Example:
        >>> from keras_neural_opt import compression
        >>> compression.Cast("bfloat16").dtype
        'bfloat16'

    References:
        Micikevicius et al., Mixed Precision Training, 2018, https://arxiv.org/abs/1710.03740
    """

    dtype: str

    def __init__(self, dtype: str = "float16") -> None:
        self.set_hyperparameters(dtype=choice(dtype, ("float16", "bfloat16")))

    def encode(self, x: Any, draw: Draw | None = None) -> tuple[Any, ...]:
        """Return vectors in half precision."""
        if self.dtype == "float16":
            x = ops.clip(x, -_LARGEST_FLOAT16, _LARGEST_FLOAT16)
        return (ops.cast(x, self.dtype),)

    def decode(self, payload: tuple[Any, ...]) -> Any:
        """Return the vectors in float32."""
        return ops.cast(payload[0], "float32")
