"""Uncompressed at first."""

from typing import Any

from keras import ops

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import integer
from keras_neural_opt.compression._around import Around
from keras_neural_opt.compression._checks import without_momentum
from keras_neural_opt.compression._compressor import Compressor, Reduced
from keras_neural_opt.compression._layout import Layout
from keras_neural_opt.compression._transport import Transport


@registry.export
class WarmUp(Around):
    """Compresses only after some steps, as 1-bit Adam does (Tang et al., 2021).

    The first gradients are large and change fast; what an adaptive optimizer divides by settles in these steps.
    `DistributedOptimizer(..., warmup_steps=)` is the short way to it.

    Args:
        compression: The compressor.
        steps: How many steps are not compressed, >= 1.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt import compression
        >>> compression.WarmUp(compression.SignSGD(), steps=100).steps
        100

    References:
        Tang et al., 1-bit Adam: Communication Efficient Large-Scale Training with Adam's Convergence Speed, 2021,
        https://arxiv.org/abs/2102.02888
    """

    compression: Compressor
    steps: int

    def __init__(self, compression: Compressor, steps: int) -> None:
        self.set_hyperparameters(compression=without_momentum(compression), steps=integer(steps, 1))

    def reduce(self, x: Any, layout: Layout, state: list[Any], transport: Transport, step: Any) -> Reduced:
        """Return the mean of all workers' vectors, after `steps` roughly; see `Compressor.reduce`."""

        def plain() -> tuple[Any, Any, list[Any]]:
            mean, lost = transport.mean(x)
            return mean, lost(), list(map(ops.convert_to_tensor, state))

        def compressed() -> tuple[Any, Any, list[Any]]:
            found = self.compression.reduce(x, layout, state, transport, step)
            return found.mean, found.lost(), found.state

        mean, lost, new = transport.choose(step < self.steps, plain, compressed)
        return Reduced(mean, lambda: lost, list(new))
