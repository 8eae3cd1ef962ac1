"""Watches the metric for schedules that wait for a plateau."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from keras_neural_opt import schedules
from keras_neural_opt._core.nested import chain
from keras_neural_opt.optimizers import RuleOptimizer


class ReduceOnPlateau(keras.callbacks.Callback):
    """Lowers the learning rate whenever a metric stops to improve, whatever schedule it follows.

    It puts a `schedules.ReduceOnPlateau` around the rate of the optimizer, and of those inside it, unless one is
    there, and tells it the metric. Nothing is compiled anew. What is there goes on where it stood, also in a later
    `fit` and from a saved model.

    Args:
        **settings: The arguments of `schedules.ReduceOnPlateau` but for the schedule; none where one is there already.

    Raises:
        ValueError: An argument breaks its rule. When `fit` starts: the optimizer has one of other settings, or is one
            of Keras' own that follows a schedule.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> model.compile(kno.optimizers.Adam(kno.schedules.Warmup(0.01, 10)), "mse")
        >>> plateau = kno.callbacks.ReduceOnPlateau(monitor="loss", factor=0.5, patience=2)
        >>> history = model.fit(np.zeros((8, 2)), np.zeros((8, 1)), callbacks=[plateau], verbose=0)

    Note:
        An optimizer of Keras' own with a constant rate works too; its counters are then the callback's, and not saved.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        schedules.ReduceOnPlateau(0.0, **settings)  # The constructor knows every rule.
        self._settings = settings

    def on_train_begin(self, logs: Any = None) -> None:
        """Find the schedules, or put them where there are none."""
        known = {id(optimizer): schedule for optimizer, schedule in getattr(self, "_driven", [])}
        self._driven = [(each, self._schedule_of(each, known)) for each in _innermost(self.model.optimizer)]

    def _schedule_of(self, optimizer: Any, known: Mapping[int, schedules.ReduceOnPlateau]) -> schedules.ReduceOnPlateau:
        rate = optimizer._learning_rate
        for part in rate.parts() if isinstance(rate, schedules.Schedule) else ():
            if isinstance(part, schedules.ReduceOnPlateau):
                wrong = {k: v for k, v in self._settings.items() if getattr(part, k) != v}
                if wrong:
                    raise ValueError(
                        f"{type(self).__name__} must have no settings, or those of the schedule that"
                        f" {optimizer.name} has already; received {wrong}"
                    )
                return part
        is_ours = isinstance(optimizer, RuleOptimizer)
        number = float(rate.numpy()) if isinstance(rate, keras.Variable) else None
        if number is None and not (is_ours and isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)):
            raise ValueError(
                f"{type(self).__name__} needs a number or a schedule as the rate of {optimizer.name}, and for one of"
                f" Keras' own a number; it has {rate!r}. Take the optimizer of that name of keras_neural_opt.optimizers"
            )
        schedule = known.get(id(optimizer)) or schedules.ReduceOnPlateau(
            rate if number is None else number, **self._settings
        )
        if is_ours:
            optimizer.follow(schedule)
        return schedule

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin a window."""
        self._window = (0, 0.0)  # how many batches were seen before it in this epoch, and the sum over them

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tell schedules that look every so many steps the mean over their window."""
        seen = batch + 1
        for optimizer, schedule in self._driven:
            if schedule.every_steps and seen % schedule.every_steps == 0:
                before, total = self._window
                mean = self._value(schedule, logs)
                if mean is not None:  # Keras shows the mean over the epoch.
                    self._window = seen, mean * seen
                    self._tell(optimizer, schedule, (mean * seen - total) / (seen - before))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tell schedules that look every epoch."""
        for optimizer, schedule in self._driven:
            value = None if schedule.every_steps else self._value(schedule, logs)
            if value is not None:
                self._tell(optimizer, schedule, value)

    def _value(self, schedule: schedules.ReduceOnPlateau, logs: Any) -> float | None:
        if schedule.monitor in (logs or {}):
            return float(logs[schedule.monitor])
        warnings.warn(
            f"{type(self).__name__} finds no {schedule.monitor} to look at, only {', '.join(logs or {})}", stacklevel=2
        )
        return None

    def _tell(self, optimizer: Any, schedule: schedules.ReduceOnPlateau, value: float) -> None:
        # Through the model: on JAX only that brings its variables back from the compiled step, and takes them again.
        for each in _innermost(self.model.optimizer):
            if each is optimizer:
                fell = schedule.observe(value, float(keras.ops.convert_to_numpy(each.learning_rate)))
                if fell and not isinstance(each, RuleOptimizer):
                    each.learning_rate = schedule(0)


def missing_plateau(optimizer: Any, callbacks: Sequence[Any]) -> list[ReduceOnPlateau]:
    """Return the callback that an optimizer's schedules need and `callbacks` lack, or none."""
    rates = [getattr(each, "_learning_rate", None) for each in chain(optimizer)]
    parts = [part for rate in rates if isinstance(rate, schedules.Schedule) for part in rate.parts()]
    waits = any(isinstance(part, schedules.ReduceOnPlateau) for part in parts)
    there = any(isinstance(callback, ReduceOnPlateau) for callback in callbacks)
    return [ReduceOnPlateau()] if waits and not there else []


def _innermost(optimizer: Any) -> Iterator[Any]:
    for each in chain(optimizer):
        if getattr(each, "inner_optimizer", None) is None and not getattr(each, "optimizers", ()):
            yield each
