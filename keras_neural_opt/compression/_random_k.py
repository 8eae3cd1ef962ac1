"""Elements drawn by lot, the same on all workers."""

from typing import Any

from keras import ops

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import flag, integer, positive_fraction
from keras_neural_opt.compression._compressor import Compressor, Reduced
from keras_neural_opt.compression._layout import Layout
from keras_neural_opt.compression._noise import uniform
from keras_neural_opt.compression._transport import Transport


@registry.export
class RandomK(Compressor):
    r"""Sends elements drawn by lot (Stich et al., 2018): all workers draw the same, so that no places are sent.

    One element of each group of about `1 / ratio` that follow one another, drawn anew in every step. The sums are
    made on the way, so that bytes do not grow with the number of workers. It wants error feedback, which
    `DistributedOptimizer` puts around it, unless `scale` makes it unbiased.

    Args:
        ratio: The part of the elements that is sent, in (0, 1]. Defaults to 0.01.
        scale: Whether what is sent is multiplied by the size of its group, which makes the mean unbiased and its
            variance large. Defaults to False.
        seed: That of the lot, an integer from 0 to 2**31 - 1. Defaults to 0.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt import compression
        >>> compression.RandomK(0.1, scale=True).unbiased
        True

    References:
        Stich, Cordonnier, Jaggi, Sparsified SGD with Memory, 2018, https://arxiv.org/abs/1809.07599
    """

    ratio: float
    scale: bool
    seed: int

    def __init__(self, ratio: float = 0.01, scale: bool = False, seed: int = 0) -> None:
        self.set_hyperparameters(ratio=positive_fraction(ratio), scale=flag(scale), seed=integer(seed, 0, 2**31 - 1))

    @property
    def unbiased(self) -> bool:  # type: ignore[override]
        """Whether the expected mean is the exact one: with `scale`."""
        return self.scale

    def reduce(self, x: Any, layout: Layout, state: list[Any], transport: Transport, step: Any) -> Reduced:
        """Return the mean of the elements that were drawn, 0 elsewhere; see `Compressor.reduce`."""
        length = x.shape[0]
        count = max(1, round(self.ratio * length))
        group = -(-length // count)
        count = -(-length // group)
        drawn = ops.cast(uniform((count,), self.seed, step) * group, "int32")
        # Where the end of the vector cuts the last group, what is drawn may be none of it: all are as likely.
        kept = ops.arange(group, dtype="int32")[None] == drawn[:, None]
        groups = ops.reshape(ops.pad(x, (0, count * group - length)), (count, group))
        values = ops.sum(ops.where(kept, groups, ops.zeros_like(groups)), axis=1)
        mean, lost_values = transport.mean(values * group if self.scale else values)

        def placed(of: Any) -> Any:
            return ops.reshape(ops.where(kept, of[:, None], ops.zeros_like(groups)), (-1,))[:length]

        sent = values * group if self.scale else values
        return Reduced(placed(mean), lambda: x - placed(sent - lost_values()), state)
