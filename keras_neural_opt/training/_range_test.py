"""A range test while a model trains: which rates it tries, and the loss of each batch."""

import math
from typing import Any

import numpy as np

from keras_neural_opt._core.arguments import check_arguments, choice, integer, positive
from keras_neural_opt._core.nested import innermost
from keras_neural_opt._core.scalars import number
from keras_neural_opt.schedules import ExponentialDecay, LinearDecay, Schedule
from keras_neural_opt.training._learning_rate_range import RULES, LearningRateRange

_LEAST_STEPS = 10


class RangeTest:
    """Keeps the rate and the loss of each batch, until it has seen enough.

    Args:
        owner: Who tests; errors name it.
        minimum: The first rate.
        maximum: The last rate.
        steps: How many batches lead from one to the other.
        spacing: `"exponential"` or `"linear"`.
        stop_factor: It ends where a loss is above that many times the least one plus the first.
        rule: Which suggestion of the result is `suggestion`.

    Raises:
        ValueError: An argument breaks its rule.
    """

    def __init__(
        self, owner: str, minimum: float, maximum: float, steps: int, spacing: str, stop_factor: float, rule: str
    ) -> None:
        checked = check_arguments(
            owner,
            minimum=positive(minimum),
            maximum=positive(maximum),
            steps=integer(steps, _LEAST_STEPS),
            spacing=choice(spacing, ("exponential", "linear")),
            stop_factor=positive(stop_factor),
            rule=choice(rule, RULES),
        )
        self._minimum, self._maximum = checked["minimum"], checked["maximum"]
        if self._maximum <= self._minimum:
            raise ValueError(f"{owner}.maximum must be above minimum; received {maximum!r}, minimum {minimum!r}")
        self._owner, self.steps, self._spacing, self._rule = owner, steps, spacing, rule
        self._stop_factor = checked["stop_factor"]
        self.begin()

    def begin(self) -> None:
        """Forget what an earlier test has seen."""
        self._rates: list[float] = []
        self._losses: list[float] = []
        self._rate = 0.0
        self.ended = False

    @property
    def seen(self) -> int:
        """How many batches it has seen, but for one that blew up."""
        return len(self._losses)

    def schedule(self, calls: int) -> Schedule:
        """Return the rates of an optimizer's steps, each of which takes that many batches.

        Raises:
            ValueError: They are too few steps.
        """
        if self.steps // calls < _LEAST_STEPS:
            raise ValueError(
                f"{self._owner}.steps must be at least {_LEAST_STEPS * calls}, for a step of the optimizer takes"
                f" {calls} batches; received {self.steps}"
            )
        count = max(1, (self.steps - 1) // calls)
        if self._spacing == "linear":
            return LinearDecay(self._minimum, count, self._maximum)
        return ExponentialDecay(self._minimum, count, self._maximum / self._minimum)

    def before_batch(self, model: Any) -> None:
        """Prepare for the loss of the batch alone."""
        # Keras shows the mean since the metrics were reset: reset them, and it is the batch's own.
        model.reset_metrics()
        # That of the optimizer itself, which may accumulate gradients or skip a step.
        self._rate = number(next(innermost(model.optimizer)).learning_rate)

    def after_batch(self, loss: float) -> None:
        """Keep the loss; `ended` after the last step, or when it has blown up."""
        blown_up = not math.isfinite(loss) or (
            self.seen >= _LEAST_STEPS and loss > self._stop_factor * min(self._losses) + abs(self._losses[0])
        )
        if not blown_up:
            self._rates.append(self._rate)
            self._losses.append(loss)
        self.ended = blown_up or self.seen == self.steps

    @property
    def failed(self) -> bool:
        """Whether it ended before it has seen enough to suggest anything."""
        return self.ended and self.seen < _LEAST_STEPS

    def result(self) -> LearningRateRange:
        """Return each rate once, with the mean loss at it: several batches may make one step.

        Raises:
            RuntimeError: The loss blew up at once.
        """
        if self.failed:
            raise RuntimeError(
                f"{self._owner}: the loss blew up after {self.seen} steps, at a rate of {self._rate:.3g};"
                f" take a smaller minimum than {self._minimum:g}"
            )
        at: dict[float, list[float]] = {}
        for rate, loss in zip(self._rates, self._losses, strict=True):
            at.setdefault(rate, []).append(loss)
        return LearningRateRange(list(at), [float(np.mean(losses)) for losses in at.values()], self._rule)
