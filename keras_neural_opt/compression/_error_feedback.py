"""What is not sent waits for the next step."""

from typing import Any

from keras import ops

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import closed_fraction
from keras_neural_opt.compression._checks import inner_compressor
from keras_neural_opt.compression._compressor import Compressor, Reduced, State
from keras_neural_opt.compression._layout import Layout
from keras_neural_opt.compression._transport import Transport


@registry.export
class ErrorFeedback(Compressor):
    r"""Adds to each gradient what the compressor lost of those before it (Karimireddy et al., 2019).

    .. math::
        x = g + \beta e, \qquad e \leftarrow x - C(x)

    With it a compressor that is far from exact trains as well as none, more or less; without it a biased one stops
    far from the minimum. `DistributedOptimizer` puts it around those that need it.

    Args:
        compression: The compressor :math:`C`; no unbiased one, and none that remembers by itself.
        decay: :math:`\beta` in [0, 1]: how much of what was lost is sent. With 0 there is no feedback. Defaults to 1.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt import compression
        >>> compression.ErrorFeedback(compression.Int4(), decay=0.9)
        ErrorFeedback(compression=Int4(block=128), decay=0.9)

    Note:
        State: 4 bytes an element on each worker.

    References:
        Karimireddy, Rebjock, Stich, Jaggi, Error Feedback Fixes SignSGD and other Gradient Compression Schemes, 2019,
        https://arxiv.org/abs/1901.09847
    """

    remembers = True
    compression: Compressor
    decay: float

    def __init__(self, compression: Compressor, decay: float = 1.0) -> None:
        self.set_hyperparameters(compression=inner_compressor(compression), decay=closed_fraction(decay))
        if self.compression.unbiased or self.compression.remembers:
            raise ValueError(
                f"ErrorFeedback.compression must be one that forgets, and biased: feedback makes the noise of an"
                f" unbiased one grow; received {compression!r}"
            )

    def state(self, layout: Layout) -> list[State]:
        """Return what waits, and what the compressor keeps."""
        return [State("residual", (layout.size,)), *self.compression.state(layout)]

    def reduce(self, x: Any, layout: Layout, state: list[Any], transport: Transport, step: Any) -> Reduced:
        """Return roughly the mean of all workers' vectors; see `Compressor.reduce`."""
        residual, *inner = state
        found = self.compression.reduce(x + self.decay * residual, layout, inner, transport, step)
        left = found.lost()
        return Reduced(found.mean, lambda: ops.zeros_like(x), [left, *found.state])

    def reduce_exactly(self, x: Any, layout: Layout, state: list[Any], transport: Transport) -> Reduced:
        """Return the mean of all workers' vectors and of what waits, after which nothing does."""
        residual, *inner = state
        found = self.compression.reduce_exactly(x + self.decay * residual, layout, inner, transport)
        return Reduced(found.mean, found.lost, [ops.zeros_like(residual), *found.state])
