"""Dropout that ends."""

from typing import Any

from keras_neural_opt._core.arguments import choice, fraction
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import select
from keras_neural_opt.schedules._curves import linear, through
from keras_neural_opt.schedules._schedule import Schedule
from keras_neural_opt.schedules._steps import reached


@export
class EarlyDropout(Schedule):
    r"""Has a dropout rate at the start only (Liu, Xu, Jin, Shen and Darrell, 2023).

    At first dropout makes the gradients of different batches agree more. So it helps nets that are small for their
    data, and *underfit*, to a lower training loss. A net that overfits needs a constant rate or `LateDropout`.

    .. math:: r(t) = \begin{cases} p \text{, or } p \left(1 - t / T\right) & t < T \\ 0 & t \ge T \end{cases}

    Args:
        rate: :math:`p`, the dropout rate at the start, in [0, 1).
        cutoff_steps: :math:`T`, the steps with dropout.
        curve: `"constant"`: the rate stays until the end (default). `"linear"`: it falls along a line to 0.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.EarlyDropout(0.5, cutoff_steps=100)
        >>> schedule(99), schedule(100)
        (0.5, 0.0)
        >>> kno.schedules.EarlyDropout(0.5, cutoff_steps=100, curve="linear")(50)
        0.25

    Note:
        As the authors' code, whose line is at 0 one step sooner.

    References:
        Liu, Xu, Jin, Shen, Darrell, Dropout Reduces Underfitting, 2023, https://arxiv.org/abs/2303.01500
    """

    rate: float
    cutoff_steps: int
    curve: str
    counts = ("cutoff_steps",)

    def __init__(self, rate: float, cutoff_steps: float, curve: str = "constant", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            rate=fraction(rate),
            cutoff_steps=self.count(cutoff_steps, 1),
            curve=choice(curve, ("constant", "linear")),
        )

    def value(self, step: Any) -> Any:
        if self.curve == "linear":
            return through(step, [0, self.cutoff_steps], [self.rate, 0.0], [linear])
        return select(reached(step, self.cutoff_steps), 0.0, self.rate)
