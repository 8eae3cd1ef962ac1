"""Warm-up, a long stable phase, a short decay."""

from itertools import accumulate
from typing import Any

from keras_neural_opt._core.arguments import choice, nonnegative
from keras_neural_opt._core.registry import export
from keras_neural_opt.schedules._curves import CURVES, linear, through
from keras_neural_opt.schedules._schedule import Schedule


@export
class WarmupStableDecay(Schedule):
    r"""Warms up, stays at the top for long, and decays in the end (Hu et al., 2024).

    A training may be prolonged from any checkpoint of the stable phase, which a cosine does not allow; a decay over the
    last tenth or fifth ends as low.

    .. math:: \eta(t) = \eta_1 \cdot \begin{cases} t / W & t \le W \\ 1 & W < t \le W + S \\
              r + (1 - r)\, d\!\left(\frac{t - W - S}{D}\right) & t > W + S \end{cases}, \qquad
              r = \eta_T / \eta_1

    Args:
        peak_learning_rate: :math:`\eta_1 \ge 0`.
        warmup_steps: :math:`W \ge 0`, the steps up from 0.
        stable_steps: :math:`S \ge 0`, the steps at the top.
        decay_steps: :math:`D \ge 0`, the steps down.
        end_learning_rate: :math:`\eta_T \ge 0`, where it stays. Defaults to 0.
        decay: :math:`d(x)`: `"linear"`, :math:`1 - x` (default); `"cosine"`, :math:`(1 + \cos \pi x) / 2`; `"1-sqrt"`,
            :math:`1 - \sqrt x`, which ends lowest in the study of Hägele et al.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.WarmupStableDecay(0.5, warmup_steps=10, stable_steps=80, decay_steps=10)
        >>> schedule(5), schedule(50), schedule(95), schedule(100)
        (0.25, 0.5, 0.25, 0.0)

    Note:
        As `get_wsd_schedule` of Hugging Face's transformers. Also called trapezoidal.

    References:
        Hu, Tu, Han, He, Cui, Long, Zheng et al., MiniCPM: Unveiling the Potential of Small Language Models with
        Scalable Training Strategies, 2024, https://arxiv.org/abs/2404.06395. Hägele, Bakouch, Kosson, Ben Allal,
        von Werra, Jaggi, Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations, 2024,
        https://arxiv.org/abs/2405.18392
    """

    peak_learning_rate: float
    warmup_steps: int
    stable_steps: int
    decay_steps: int
    end_learning_rate: float
    decay: str
    counts = ("warmup_steps", "stable_steps", "decay_steps")

    def __init__(
        self,
        peak_learning_rate: float,
        warmup_steps: float,
        stable_steps: float,
        decay_steps: float,
        end_learning_rate: float = 0.0,
        decay: str = "linear",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            peak_learning_rate=nonnegative(peak_learning_rate),
            warmup_steps=self.count(warmup_steps, 0),
            stable_steps=self.count(stable_steps, 0),
            decay_steps=self.count(decay_steps, 0),
            end_learning_rate=nonnegative(end_learning_rate),
            decay=choice(decay, CURVES),
        )

    def value(self, step: Any) -> Any:
        ends = list(accumulate((0, self.warmup_steps, self.stable_steps, self.decay_steps)))
        top = self.peak_learning_rate
        return through(step, ends, [0.0, top, top, self.end_learning_rate], [linear, linear, CURVES[self.decay]])
