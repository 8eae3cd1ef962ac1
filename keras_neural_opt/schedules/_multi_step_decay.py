"""Step decay at given steps."""

from typing import Any

from keras_neural_opt._core.arguments import nonnegative, positive
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import power, select
from keras_neural_opt.schedules._schedule import Schedule
from keras_neural_opt.schedules._steps import reached


@export
class MultiStepDecay(Schedule):
    r"""Lowers the learning rate at given steps (He, Zhang, Ren and Sun, 2016).

    For recipes that say when; residual nets are divided by 10 after a half and after three quarters of the training.

    .. math:: \eta(t) = \eta_0\, \gamma^{\lvert \{i : t \ge t_i\} \rvert}

    Args:
        initial_learning_rate: :math:`\eta_0 \ge 0`.
        milestones: The :math:`t_i`, a list of increasing steps from which on the rate is lower.
        decay_rate: :math:`\gamma > 0`. Defaults to 0.1.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.MultiStepDecay(0.5, milestones=[80, 120], decay_rate=0.5)
        >>> schedule(79), schedule(80), schedule(120)
        (0.5, 0.25, 0.125)

    Note:
        As `torch.optim.lr_scheduler.MultiStepLR`. `keras.optimizers.schedules.PiecewiseConstantDecay` takes the rates
        themselves and changes after a step and not at it; `Join` of numbers does that.

    References:
        He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, 2016, https://arxiv.org/abs/1512.03385
    """

    initial_learning_rate: float
    milestones: list[int]
    decay_rate: float
    counts = ("milestones",)

    def __init__(self, initial_learning_rate: float, milestones: Any, decay_rate: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            initial_learning_rate=nonnegative(initial_learning_rate),
            milestones=self.increasing_counts(milestones),
            decay_rate=positive(decay_rate),
        )

    def value(self, step: Any) -> Any:
        rate: Any = self.initial_learning_rate
        for number, milestone in enumerate(self.milestones, 1):
            rate = select(reached(step, milestone), self.initial_learning_rate * power(self.decay_rate, number), rate)
        return rate
