"""Warm-up in front of any schedule."""

from typing import Any

from keras_neural_opt._core.arguments import choice, closed_fraction, positive_fraction
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import power, select
from keras_neural_opt.schedules._curves import CURVES
from keras_neural_opt.schedules._schedule import Schedule, schedule_argument, value_of
from keras_neural_opt.schedules._steps import progress, reached, since


@export
class Warmup(Schedule):
    r"""Climbs to where another schedule starts (Goyal et al., 2017).

    Adaptive methods have bad estimates at first, and large batches a large rate: both diverge without it. Some hundred
    steps, or the first tenth of a short training, are usual.

    .. math:: \eta(t) = \begin{cases} \eta(0)\, \bigl(f + (1 - f)\, t / W\bigr) & t < W \\
              \eta_{\text{inner}}(t - W) & t \ge W \end{cases}

    Args:
        schedule: What comes after: a schedule, ours or Keras', or a number that stays. It starts when the warm-up ends.
        warmup_steps: :math:`W \ge 0`.
        kind: `"linear"` (default); `"cosine"`, half a cosine; `"exponential"`, the factor :math:`f^{1 - t / W}`;
            `"constant"`, :math:`f` until the jump.
        initial_factor: :math:`f`, in [0, 1], of the rate that it climbs to. Defaults to 0; `"exponential"` needs more.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.Warmup(kno.schedules.CosineAnnealing(0.5, decay_steps=90), warmup_steps=10)
        >>> schedule(0), schedule(5), schedule(10), schedule(100)
        (0.0, 0.25, 0.5, 0.0)

    Note:
        Linear as `optax.warmup_cosine_decay_schedule`, whose `decay_steps` count the warm-up too, and as the
        `warmup_steps` of `keras.optimizers.schedules.CosineDecay`. The very first step of a warm-up from 0 does not
        move; `initial_factor=1 / warmup_steps` begins where others begin to count at 1.

    References:
        Goyal, Dollár, Girshick, Noordhuis, Wesolowski, Kyrola, Tulloch, Jia, He, Accurate, Large Minibatch SGD:
        Training ImageNet in 1 Hour, 2017, https://arxiv.org/abs/1706.02677
    """

    schedule: Any
    warmup_steps: int
    kind: str
    initial_factor: float
    counts = ("warmup_steps",)
    nested = ("schedule",)

    def __init__(
        self, schedule: Any, warmup_steps: float, kind: str = "linear", initial_factor: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            schedule=schedule_argument(schedule),
            warmup_steps=self.count(warmup_steps, 0),
            kind=choice(kind, ("linear", "cosine", "exponential", "constant")),
            initial_factor=(positive_fraction if kind == "exponential" else closed_fraction)(initial_factor),
        )

    def value(self, step: Any) -> Any:
        # During the warm-up the schedule stands at its step 0.
        rate = value_of(self.schedule, since(step, self.warmup_steps))
        if not self.warmup_steps:
            return rate
        return rate * select(reached(step, self.warmup_steps), 1.0, self._factor(step))

    def _factor(self, step: Any) -> Any:
        first = self.initial_factor
        done, left = progress(step, 0, self.warmup_steps)
        if self.kind == "constant":
            return first + 0.0 * done
        if self.kind == "exponential":
            return power(first, left)
        return first + (1.0 - first) * CURVES[self.kind](left, done)
