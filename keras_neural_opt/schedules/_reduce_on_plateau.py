"""Lower rates whenever a metric stops to improve."""

import math
from collections.abc import Mapping
from typing import Any, Self

import keras

from keras_neural_opt._core.arguments import choice, integer, nonnegative, optional, positive_fraction, text
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import is_host
from keras_neural_opt.schedules._schedule import Schedule, schedule_argument, value_of

# Parts of the names of metrics of which more is better.
_LARGE_IS_GOOD = ("acc", "auc", "precision", "recall", "f1", "iou", "dice", "r2", "cosine_similarity", "bleu")
_START = {"plateau_factor": 1.0, "plateau_best": math.inf, "plateau_wait": 0.0, "plateau_cooldown": 0.0}


@export
class ReduceOnPlateau(Schedule):
    r"""Multiplies a schedule by a factor whenever a metric stops to improve (as LeCun et al., 1998, did by hand).

    For trainings whose length is not known, and beside any schedule for those that may get stuck. The callback of the
    same name watches the metric; without it this is the schedule alone.

    .. math:: \eta(t) = \gamma^n\, \eta_{\text{inner}}(t)

    where :math:`n` counts how often the metric did not improve for `patience` epochs.

    Args:
        schedule: A schedule, ours or Keras', or a number.
        factor: :math:`\gamma`, in (0, 1]. Defaults to 0.1.
        patience: After how many epochs, or windows of steps, without improvement the rate falls, >= 1. Defaults to 10.
        min_delta: What counts as an improvement, >= 0. Defaults to 1e-4.
        threshold_mode: Whether `min_delta` is the difference, `"abs"` (default), or that part of the best value,
            `"rel"`.
        cooldown: How many epochs or windows nothing is counted after a fall. Defaults to 0.
        min_lr: A rate >= 0 below which no fall leads. Defaults to 0.
        monitor: The metric's name in the logs. Defaults to `"val_loss"`.
        mode: `"min"`, `"max"` or `"auto"`, which knows the usual names (default).
        every_steps: None, to look after every epoch (default), or after how many batches: then at the mean over
            them, windows beginning with each epoch; of `monitor="loss"` and other running means of the training.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> rate = kno.schedules.ReduceOnPlateau(kno.schedules.CosineAnnealing(0.1, 100), patience=3)
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> model.compile(kno.optimizers.SGD(rate), "mse")
        >>> data = np.zeros((8, 2)), np.zeros((8, 1))
        >>> plateau = kno.callbacks.ReduceOnPlateau()
        >>> history = model.fit(*data, validation_data=data, callbacks=[plateau], verbose=0)

    Note:
        Arguments as `keras.callbacks.ReduceLROnPlateau`, which refuses schedules and forgets its counters.
        `torch.optim.lr_scheduler.ReduceLROnPlateau` has `threshold_mode="rel"`, and waits one epoch longer. Factor,
        best value and counters are variables of the optimizer: saved with it, and not compiled into its step.

    References:
        LeCun, Bottou, Orr, Müller, Efficient BackProp, 1998, https://doi.org/10.1007/3-540-49430-8_2
    """

    schedule: Any
    factor: float
    patience: int
    min_delta: float
    threshold_mode: str
    cooldown: int
    min_lr: float
    monitor: str
    mode: str
    every_steps: int | None
    nested = ("schedule",)

    def __init__(
        self,
        schedule: Any,
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 1e-4,
        threshold_mode: str = "abs",
        cooldown: int = 0,
        min_lr: float = 0.0,
        monitor: str = "val_loss",
        mode: str = "auto",
        every_steps: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            schedule=schedule_argument(schedule),
            factor=positive_fraction(factor),
            patience=integer(patience, 1),
            min_delta=nonnegative(min_delta),
            threshold_mode=choice(threshold_mode, ("abs", "rel")),
            cooldown=integer(cooldown, 0),
            min_lr=nonnegative(min_lr),
            monitor=text(monitor),
            mode=choice(mode, ("auto", "min", "max")),
            every_steps=optional(integer(every_steps, 1)),
        )
        self._state: dict[str, Any] = dict(_START)

    def value(self, step: Any) -> Any:
        factor = self._state["plateau_factor"]
        if isinstance(factor, keras.Variable):
            factor = float(factor) if is_host(step) else native.scalar(factor)
        return factor * value_of(self.schedule, step)

    def build(self, optimizer: Any) -> None:
        """Keep the state in variables of an optimizer, which owns this schedule from now on.

        Args:
            optimizer: The optimizer.
        """
        for name, value in self._state.items():
            start = keras.initializers.Constant(value)
            self._state[name] = optimizer.add_variable(
                (), start, "float32", aggregation="only_first_replica", name=name
            )

    @property
    def variables(self) -> dict[str, Any]:
        """The optimizer's variables that keep the state, by name; none before it is built."""
        return {name: value for name, value in self._state.items() if isinstance(value, keras.Variable)}

    def in_steps(self, steps_per_epoch: float) -> Self:
        """Return this schedule in steps, which goes on from the same state."""
        counting = super().in_steps(steps_per_epoch)
        counting._state = self._state
        return counting

    @property
    def state(self) -> dict[str, float]:
        """Factor, best value and counters as they are now."""
        return {name: float(value) for name, value in self._state.items()}

    def observe(self, value: float, rate: float) -> bool:
        """Take note of the metric; return whether the rate falls.

        Args:
            value: The metric's new value.
            rate: The learning rate now, for `min_lr`.
        """
        before = self.state
        after = plateau(self, before, value, rate)
        for name, number in after.items():
            kept = self._state[name]
            if isinstance(kept, keras.Variable):
                kept.assign(number)
            else:
                self._state[name] = number
        return after["plateau_factor"] < before["plateau_factor"]

    @property
    def large_is_good(self) -> bool:
        """Whether the metric is to grow."""
        return self.mode == "max" or (self.mode == "auto" and any(part in self.monitor for part in _LARGE_IS_GOOD))


def plateau(settings: ReduceOnPlateau, state: Mapping[str, float], value: float, rate: float) -> dict[str, float]:
    """Return the state after one more value of the metric: Keras' rule, with both ways to measure an improvement."""
    factor, best, wait, cooldown = (state[name] for name in _START)
    sign = -1.0 if settings.large_is_good else 1.0
    value *= sign  # Less is better from here on, and the best value is kept so.
    if cooldown > 0:
        cooldown, wait = cooldown - 1, 0.0
    delta = settings.min_delta if settings.threshold_mode == "abs" else settings.min_delta * abs(best)
    if value < best - (delta if math.isfinite(best) else 0.0):
        best, wait = value, 0.0
    elif cooldown <= 0:
        wait += 1
        if wait >= settings.patience and rate > settings.min_lr:
            # What is left above the least rate, of which the factor is a part.
            factor *= max(settings.factor, settings.min_lr / rate)
            cooldown, wait = float(settings.cooldown), 0.0
    return dict(zip(_START, (factor, best, wait, cooldown), strict=True))
