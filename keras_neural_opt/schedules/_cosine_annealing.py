"""Cosine annealing without restarts."""

import math
from typing import Any

from keras_neural_opt._core.arguments import choice, nonnegative
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import is_host, maximum, select, sin, to_float
from keras_neural_opt.schedules._schedule import Schedule


@export
class CosineAnnealing(Schedule):
    r"""Lowers the learning rate along half a cosine (Loshchilov and Hutter, 2017).

    The schedule to start with when the length of the training is known: it stays near the top for long, falls through
    the middle quickly and settles gently.

    .. math:: \eta(s) = \eta_{\min} + \tfrac12 (\eta_0 - \eta_{\min}) \left(1 + \cos \frac{\pi t}{T}\right),
              \qquad t = s + s_0

    Args:
        initial_learning_rate: :math:`\eta_0 \ge 0`, the rate at :math:`t = 0`.
        decay_steps: :math:`T`, the steps from the top to the bottom.
        minimum_learning_rate: :math:`\eta_{\min} \ge 0`, the rate at :math:`t = T`. Defaults to 0.
        start_step: :math:`s_0 \ge 0`, where on the curve step 0 of the optimizer lies. Defaults to 0.
        after: What happens past :math:`T`: `"hold"` keeps the minimum (default), `"mirror"` climbs back to the top by
            :math:`2T` and repeats.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.CosineAnnealing(0.1, decay_steps=100)
        >>> schedule(0), schedule(50), schedule(100)
        (0.1, 0.05..., 0.0)
        >>> optimizer = kno.optimizers.SGD(schedule, momentum=0.9)

    Note:
        `torch.optim.lr_scheduler.CosineAnnealingLR` climbs again past `T_max`: that is `after="mirror"`.
        `optax.cosine_decay_schedule` and `keras.optimizers.schedules.CosineDecay` hold, and take the minimum as a
        fraction of the initial rate. Computed as a squared sine of the steps that are left, so that the small rates at
        the end keep all their digits in float32.

    References:
        Loshchilov, Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017,
        https://arxiv.org/abs/1608.03983
    """

    initial_learning_rate: float
    decay_steps: int
    minimum_learning_rate: float
    start_step: int
    after: str
    counts = ("decay_steps", "start_step")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        minimum_learning_rate: float = 0.0,
        start_step: float = 0,
        after: str = "hold",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            initial_learning_rate=nonnegative(initial_learning_rate),
            decay_steps=self.count(decay_steps, 1),
            minimum_learning_rate=nonnegative(minimum_learning_rate),
            start_step=self.count(start_step, 0, None),
            after=choice(after, ("hold", "mirror")),
        )

    def value(self, step: Any) -> Any:
        half_angle = to_float(self._distance_to_bottom(step)) * (math.pi / 2 / self.decay_steps)
        span = self.initial_learning_rate - self.minimum_learning_rate
        return self.minimum_learning_rate + span * sin(half_angle) ** 2

    def _distance_to_bottom(self, step: Any) -> Any:
        # Integers that a 32-bit step can hold: the sum step + start_step might not be one of them.
        if self.after == "hold":
            left = self.decay_steps - self.start_step
            return maximum(left - step, 0) if left > 0 else 0
        period = 2 * self.decay_steps
        start, phase = self.start_step % period, step % period
        wraps = phase >= period - start
        phase = select(wraps if not is_host(phase) else bool(wraps), phase - (period - start), phase + start)
        return abs(self.decay_steps - phase)
