"""A schedule times a number."""

from typing import Any

from keras_neural_opt._core.arguments import nonnegative
from keras_neural_opt._core.registry import export
from keras_neural_opt.schedules._schedule import Schedule, schedule_argument, value_of


@export
class Scaled(Schedule):
    r"""Multiplies a schedule by a number (as the linear scaling rule of Goyal et al., 2017, does).

    For another batch size, or for a part of a model. `schedule * 2` is the same.

    .. math:: \eta(t) = c\, \eta_{\text{inner}}(t)

    Args:
        schedule: A schedule, ours or Keras', or a number that stays.
        factor: :math:`c \ge 0`.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> cosine = kno.schedules.CosineAnnealing(0.25, decay_steps=100)
        >>> (cosine * 2)(0)
        0.5

    Note:
        optax and torch have no class for it.

    References:
        Goyal, Dollár, Girshick, Noordhuis, Wesolowski, Kyrola, Tulloch, Jia, He, Accurate, Large Minibatch SGD:
        Training ImageNet in 1 Hour, 2017, https://arxiv.org/abs/1706.02677
    """

    schedule: Any
    factor: float
    nested = ("schedule",)

    def __init__(self, schedule: Any, factor: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(schedule=schedule_argument(schedule), factor=nonnegative(factor))

    def value(self, step: Any) -> Any:
        return self.factor * value_of(self.schedule, step)
