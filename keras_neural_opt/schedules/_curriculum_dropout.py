"""Dropout that grows."""

from typing import Any

from keras_neural_opt._core.arguments import fraction, positive
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import expm1, to_float
from keras_neural_opt.schedules._schedule import Schedule


@export
class CurriculumDropout(Schedule):
    r"""Raises a dropout rate from 0 to its full height (Morerio, Cavazza, Volpi, Vidal and Murino, 2017).

    Easy first: a net that still knows nothing gets all of its units, and noise is added as it learns. For layers such
    as `layers.ScheduledDropout`, where a net overfits late and a constant rate slows down its start.

    .. math:: r(t) = (1 - \bar\theta) \left(1 - e^{-\gamma t}\right), \qquad \gamma = c / T

    Args:
        rate: :math:`1 - \bar\theta`, the dropout rate that it grows to, in [0, 1).
        total_steps: :math:`T`, the steps of the training.
        steepness: :math:`c > 0`. Defaults to 10, the paper's choice: after a tenth of the training the rate is 63 % of
            the full one.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.CurriculumDropout(0.5, total_steps=1000)
        >>> schedule(0), round(schedule(100), 4), round(schedule(1000), 4)
        (0.0, 0.3161, 0.5)

    Note:
        The paper writes the probability :math:`\theta(t)` to keep a unit; the rate is :math:`1 - \theta(t)`. It never
        quite arrives: with the default 0.005 % are missing at :math:`T`.

    References:
        Morerio, Cavazza, Volpi, Vidal, Murino, Curriculum Dropout, 2017, https://arxiv.org/abs/1703.06229
    """

    rate: float
    total_steps: int
    steepness: float
    counts = ("total_steps",)

    def __init__(self, rate: float, total_steps: float, steepness: float = 10.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            rate=fraction(rate), total_steps=self.count(total_steps, 1), steepness=positive(steepness)
        )

    def value(self, step: Any) -> Any:
        return -self.rate * expm1(to_float(step) * (-self.steepness / self.total_steps))
