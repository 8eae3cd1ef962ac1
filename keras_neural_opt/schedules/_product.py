"""Schedules multiplied."""

import math
from typing import Any

from keras_neural_opt._core.registry import export
from keras_neural_opt.schedules._schedule import Schedule, schedules_argument, value_of


@export
class Product(Schedule):
    r"""Multiplies schedules by each other (as cycles in an exponential envelope, Smith, 2017).

    All run from step 0 on; at most one of them is a rate, the others are factors of it. `a * b` is the same.

    .. math:: \eta(t) = \prod_i \eta_i(t)

    Args:
        schedules: A list of schedules, ours or Keras', or of numbers that stay.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> cycles, envelope = kno.schedules.Cyclical(0.0, 0.5, 10), kno.schedules.ExponentialDecay(1.0, 20, 0.5)
        >>> (cycles * envelope)(30)
        0.1767766952966369

    Note:
        As `torch.optim.lr_scheduler.ChainedScheduler` of multiplicative schedulers.

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017, https://arxiv.org/abs/1506.01186
    """

    schedules: list[Any]
    nested = ("schedules",)

    def __init__(self, schedules: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(schedules=schedules_argument(schedules))

    def value(self, step: Any) -> Any:
        return math.prod(value_of(part, step) for part in self.schedules)
