"""Grokfast."""

from typing import Any

from keras_neural_opt._core.arguments import fraction, nonnegative
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.tensors import Tensors, ema
from keras_neural_opt.optimizers._wrapper import Wrapper, export


@export
class Grokfast(Wrapper):
    r"""Grokfast-EMA (Lee, Kang, Kim and Lee, 2024).

    Amplifies what is slow in the gradients before another optimizer sees them. Where a model first memorizes and
    generalizes only much later, it does so up to fifty times sooner; take much weight decay with it.

    .. math:: h_t = \alpha h_{t-1} + (1 - \alpha) g_t, \qquad g_t \leftarrow g_t + \lambda h_t

    Args:
        inner_optimizer: The optimizer, or its name.
        alpha: :math:`\alpha` in [0, 1), the decay of the slow gradient. Defaults to 0.98.
        amplification: :math:`\lambda \ge 0`. Defaults to 2.
        name: The name of this optimizer.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Grokfast(kno.optimizers.AdamW(1e-3, weight_decay=1.0))

    Note:
        The authors begin with :math:`h_0 = g_1` instead of 0. It sees the gradients before the clipping of the inner
        optimizer, and those of every micro-step of an accumulation. State: 4 bytes a float32 parameter besides the
        inner optimizer's.

    References:
        Lee, Kang, Kim, Lee, Grokfast: Accelerated Grokking by Amplifying Slow Gradients, 2024,
        https://arxiv.org/abs/2405.20233
    """

    alpha: float
    amplification: float
    slots = ("slow_gradient",)
    changes_gradients = True

    def __init__(
        self, inner_optimizer: Any, alpha: float = 0.98, amplification: float = 2.0, name: str | None = None
    ) -> None:
        super().__init__(inner_optimizer, name=name)
        self.set_hyperparameters(alpha=fraction(alpha), amplification=nonnegative(amplification))

    def before(self, gradients: list[Any], variables: list[Any]) -> list[Any]:
        kept = self.slot("slow_gradient", variables)
        before = native.read_all(kept)
        # Of a bad gradient it keeps nothing: the inner optimizer may skip the step, but this would stay.
        good = [native.finite_or(x, s) for x, s in zip(gradients, before, strict=True)]
        slow = ema(Tensors(before), Tensors(good), self.alpha).tensors
        native.write(kept, slow)
        return [native.plus_scaled(x, s, self.amplification) for x, s in zip(gradients, slow, strict=True)]
