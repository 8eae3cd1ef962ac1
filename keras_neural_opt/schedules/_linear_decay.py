"""Linear decay."""

from typing import Any

from keras_neural_opt._core.arguments import nonnegative
from keras_neural_opt._core.registry import export
from keras_neural_opt.schedules._curves import linear, through
from keras_neural_opt.schedules._schedule import Schedule


@export
class LinearDecay(Schedule):
    r"""Lowers the learning rate along a straight line (Devlin, Chang, Lee and Toutanova, 2019).

    After a warm-up, for fine-tuning; all the way to 0 it is as good as a cosine, or better, for language models. Where
    the end is above the start it climbs.

    .. math:: \eta(t) = \eta_T + (\eta_0 - \eta_T) \left(1 - \frac{\min(t, T)}{T}\right)

    Args:
        initial_learning_rate: :math:`\eta_0 \ge 0`.
        decay_steps: :math:`T`, the steps from the start to the end, where it stays.
        end_learning_rate: :math:`\eta_T \ge 0`. Defaults to 0.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.Warmup(kno.schedules.LinearDecay(2e-5, 900), 100)
        >>> schedule(50), schedule(100), schedule(550), schedule(1000)
        (1e-05, 2e-05, 1e-05, 0.0)

    Note:
        As `optax.linear_schedule`, and `torch.optim.lr_scheduler.LinearLR`, which takes factors of the rate.

    References:
        Devlin, Chang, Lee, Toutanova, BERT: Pre-training of Deep Bidirectional Transformers for Language
        Understanding, 2019, https://arxiv.org/abs/1810.04805
    """

    initial_learning_rate: float
    decay_steps: int
    end_learning_rate: float
    counts = ("decay_steps",)

    def __init__(
        self, initial_learning_rate: float, decay_steps: float, end_learning_rate: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            initial_learning_rate=nonnegative(initial_learning_rate),
            decay_steps=self.count(decay_steps, 1),
            end_learning_rate=nonnegative(end_learning_rate),
        )

    def value(self, step: Any) -> Any:
        values = [self.initial_learning_rate, self.end_learning_rate]
        return through(step, [0, self.decay_steps], values, [linear])
