"""A learning rate that stays."""

from typing import Any

from keras_neural_opt._core.arguments import nonnegative
from keras_neural_opt._core.registry import export
from keras_neural_opt.schedules._schedule import Schedule


@export
class Constant(Schedule):
    r"""Keeps the learning rate (Robbins and Monro, 1951, say why to lower it in the end).

    For parts of `Join` and `Product`, and to try out a rate. At the end of a training almost every other schedule finds
    a lower loss.

    .. math:: \eta(t) = \eta_0

    Args:
        learning_rate: :math:`\eta_0 \ge 0`.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> kno.schedules.Constant(0.1)(1000)
        0.1

    Note:
        As `optax.constant_schedule`. Everywhere in this library a number will do.

    References:
        Robbins, Monro, A Stochastic Approximation Method, 1951, https://doi.org/10.1214/aoms/1177729586
    """

    learning_rate: float

    def __init__(self, learning_rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(learning_rate=nonnegative(learning_rate))

    def value(self, step: Any) -> Any:
        return self.learning_rate
