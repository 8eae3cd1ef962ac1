"""Dropout that begins later."""

from typing import Any

from keras_neural_opt._core.arguments import fraction
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import select
from keras_neural_opt.schedules._schedule import Schedule
from keras_neural_opt.schedules._steps import reached


@export
class LateDropout(Schedule):
    r"""Has no dropout at the start, and then its full rate (Liu, Xu, Jin, Shen and Darrell, 2023).

    For nets that overfit, where a constant rate slows down the start. `CurriculumDropout` gets there without a jump;
    nets that underfit want `EarlyDropout`.

    .. math:: r(t) = \begin{cases} 0 & t < T \\ p & t \ge T \end{cases}

    Args:
        rate: :math:`p`, the dropout rate from step :math:`T` on, in [0, 1).
        start_steps: :math:`T`, the steps without dropout.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.LateDropout(0.5, start_steps=100)
        >>> schedule(99), schedule(100)
        (0.0, 0.5)

    Note:
        As the authors' code. `Join([0.0, other], [100])` begins any other schedule later.

    References:
        Liu, Xu, Jin, Shen, Darrell, Dropout Reduces Underfitting, 2023, https://arxiv.org/abs/2303.01500
    """

    rate: float
    start_steps: int
    counts = ("start_steps",)

    def __init__(self, rate: float, start_steps: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(rate=fraction(rate), start_steps=self.count(start_steps, 1))

    def value(self, step: Any) -> Any:
        return select(reached(step, self.start_steps), self.rate, 0.0)
