"""Inverse square root decay."""

from typing import Any

from keras_neural_opt._core.arguments import nonnegative
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import sqrt, to_float
from keras_neural_opt.schedules._schedule import Schedule


@export
class InverseSquareRoot(Schedule):
    r"""Lowers the learning rate with the root of the steps (Raffel et al., 2020).

    For trainings whose end is not known. With a `Warmup` of :math:`T` steps it is that of T5 and of translation models:
    :math:`\eta_0 \sqrt{T / s}` from step :math:`s = T` on.

    .. math:: \eta(t) = \eta_0 \sqrt{\frac{T}{T + t}}

    Args:
        initial_learning_rate: :math:`\eta_0 \ge 0`.
        timescale: :math:`T`, the steps after which it is :math:`\eta_0 / \sqrt 2`. Defaults to 10,000.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.Warmup(kno.schedules.InverseSquareRoot(0.5, timescale=100), 100)
        >>> schedule(50), schedule(100), schedule(400)
        (0.25, 0.5, 0.25)

    Note:
        As `get_inverse_sqrt_schedule` of Hugging Face's transformers, whose warm-up is built in.

    References:
        Raffel, Shazeer, Roberts, Lee, Narang, Matena, Zhou, Li, Liu, Exploring the Limits of Transfer Learning with a
        Unified Text-to-Text Transformer, 2020, https://arxiv.org/abs/1910.10683
    """

    initial_learning_rate: float
    timescale: int
    counts = ("timescale",)

    def __init__(self, initial_learning_rate: float, timescale: float = 10_000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            initial_learning_rate=nonnegative(initial_learning_rate), timescale=self.count(timescale, 1)
        )

    def value(self, step: Any) -> Any:
        return self.initial_learning_rate / sqrt(to_float(step) / self.timescale + 1.0)
