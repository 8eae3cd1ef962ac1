"""Cosine annealing with warm restarts."""

from bisect import bisect_right
from functools import cache
from itertools import pairwise
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.arguments import Argument, is_number, nonnegative, positive
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import is_host, power, to_float
from keras_neural_opt.schedules._curves import cosine
from keras_neural_opt.schedules._schedule import Schedule


@export
class CosineAnnealingWarmRestarts(Schedule):
    r"""Anneals along half a cosine again and again (Loshchilov and Hutter, 2017).

    Each restart leaves the basin that was found; the weights before it make a snapshot ensemble, and a training may
    end after any of them. For one training of known length `CosineAnnealing` is better.

    .. math:: \eta(t) = \eta_{\min} + \tfrac12 m^k (\eta_0 - \eta_{\min})
              \left(1 + \cos \frac{\pi\, (t - t_k)}{T_k}\right), \qquad T_k = T_0\, \mu^k

    where :math:`t_k` is the last of the restarts.

    Args:
        initial_learning_rate: :math:`\eta_0 \ge 0`.
        first_decay_steps: :math:`T_0`, the steps of the first period.
        t_mul: :math:`\mu`, 1 or a number >= 1.01: how many times as long each period is as the one before, rounded to
            whole steps. Defaults to 1.
        m_mul: :math:`m > 0`, how many times as high each restart is as the one before. Defaults to 1.
        minimum_learning_rate: :math:`\eta_{\min} \ge 0`, from which a period never quite falls. Defaults to 0.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.CosineAnnealingWarmRestarts(0.1, first_decay_steps=10, t_mul=2)
        >>> [round(schedule(step), 3) for step in (0, 5, 10, 20, 30)]
        [0.1, 0.05, 0.1, 0.05, 0.1]

    Note:
        As `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts` (`T_0`, `T_mult`, `eta_min`). Restarts are counted in
        integers: `keras.optimizers.schedules.CosineDecayRestarts`, which takes a logarithm in float32, misses some and
        gives the least rate instead of the largest there. It has `t_mul=2` by default, and the minimum as a fraction.

    References:
        Loshchilov, Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017,
        https://arxiv.org/abs/1608.03983
    """

    initial_learning_rate: float
    first_decay_steps: int
    t_mul: float
    m_mul: float
    minimum_learning_rate: float
    counts = ("first_decay_steps",)

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 1.0,
        m_mul: float = 1.0,
        minimum_learning_rate: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            initial_learning_rate=nonnegative(initial_learning_rate),
            first_decay_steps=self.count(first_decay_steps, 1),
            t_mul=_growth(t_mul),
            m_mul=positive(m_mul),
            minimum_learning_rate=nonnegative(minimum_learning_rate),
        )

    def value(self, step: Any) -> Any:
        period, phase, length = self._place(step)
        left = 1.0 - to_float(phase) / length if is_host(step) else to_float(length - phase) / to_float(length)
        height = (self.initial_learning_rate - self.minimum_learning_rate) * power(self.m_mul, to_float(period))
        return self.minimum_learning_rate + height * cosine(1.0 - left, left)

    def _place(self, step: Any) -> tuple[Any, Any, Any]:
        """Return which period a step is in, how far in it, and how long it is."""
        first = self.first_decay_steps
        if self.t_mul == 1.0:
            return step // first, step % first, first if is_host(step) else step * 0 + first
        starts = _starts(first, self.t_mul)
        if is_host(step):
            period = bisect_right(starts, step) - 1
            return period, step - starts[period], starts[period + 1] - starts[period]
        dtype = keras.backend.standardize_dtype(step.dtype)
        most = int(np.iinfo(dtype).max)
        near = [start for start in starts if start <= most]
        lengths = [min(later - sooner, most) for sooner, later in pairwise(starts)][: len(near)]
        begun = keras.ops.cast(step >= keras.ops.convert_to_tensor(near, dtype), "int32")
        period = keras.ops.sum(begun) - 1
        start, length = (keras.ops.take(keras.ops.convert_to_tensor(x, dtype), period) for x in (near, lengths))
        return period, step - start, length


@cache
def _starts(first: int, growth: float) -> list[int]:
    """Return the steps at which periods start, up to the largest that any step can be."""
    starts = [0]
    while starts[-1] <= 2**62:
        starts.append(starts[-1] + round(first * growth ** (len(starts) - 1)))
    return starts


def _growth(value: Any) -> Argument:
    def convert(given: Any) -> float:
        if not is_number(given) or not (given == 1 or given >= 1.01):
            raise ValueError
        return float(given)

    return Argument(value, "1 or a number >= 1.01", convert)
