"""Watches the metric for schedules that wait for a plateau."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from keras_neural_opt import schedules
from keras_neural_opt._core.nested import chain, innermost
from keras_neural_opt.optimizers import RuleOptimizer
from keras_neural_opt.optimizers._learning_rate import plateaus


class ReduceOnPlateau(keras.callbacks.Callback):
    """Lowers the learning rate whenever a metric stops to improve, whatever schedule it follows.

    It puts a `schedules.ReduceOnPlateau` around the rate of the optimizer, and of those inside it, unless one is
    there, and tells it the metric. When the rate falls nothing is compiled anew. What is there goes on where it stood,
    also in a later `fit` and from a saved model. To resume from weights alone, compile the schedule in yourself: this
    callback brings it only when `fit` starts, and the weights' file has its state.

    Args:
        **settings: The arguments of `schedules.ReduceOnPlateau` but for the schedule; none where one is there already.

    Raises:
        ValueError: An argument breaks its rule. When `fit` starts: the optimizer has one of other settings, or is one
            of Keras' own that follows a schedule, or its rate is a function.

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
        # Keras on JAX: without windows of steps no step needs to wait for this. Without settings nobody knows yet.
        self.async_safe = bool(settings) and settings.get("every_steps") is None
        # Of Keras' own optimizers, by position: nothing here may hold the optimizer, for callbacks are copied.
        self._native: dict[int, schedules.ReduceOnPlateau] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Find the schedules, or put them where there are none."""
        new = [self._prepare(number, each) for number, each in enumerate(innermost(self.model.optimizer))]
        if any(new):
            self.model.make_train_function(force=True)  # An earlier `fit` may have compiled one.

    def _prepare(self, number: int, optimizer: Any) -> bool:
        """See to it that an optimizer has its schedule; return whether it is new there."""
        rate = optimizer._learning_rate
        is_number = isinstance(rate, keras.Variable)
        if not isinstance(optimizer, RuleOptimizer):
            if not is_number:
                raise ValueError(
                    f"{type(self).__name__} needs a number as the rate of one of Keras' own optimizers;"
                    f" {optimizer.name} has {rate!r}. Take the optimizer of that name of keras_neural_opt.optimizers"
                )
            self._native.setdefault(number, schedules.ReduceOnPlateau(0.0, **self._settings))
            return False
        if not is_number and not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            raise ValueError(
                f"{type(self).__name__} needs a number or a schedule as the rate of {optimizer.name}; it has {rate!r}"
            )
        for part in plateaus(rate):
            wrong = {name: value for name, value in self._settings.items() if getattr(part, name) != value}
            if self.async_safe and part.every_steps:
                wrong["every_steps"] = None
            if wrong:
                raise ValueError(
                    f"{type(self).__name__} must have no settings, or those of the schedule that {optimizer.name} has"
                    f" already; received {wrong}"
                )
            return False
        around = float(rate.numpy()) if is_number else rate
        optimizer.follow(schedules.ReduceOnPlateau(around, **self._settings))
        return True

    def _driven(self) -> Iterator[tuple[int, Any, schedules.ReduceOnPlateau]]:
        # Through the model: on JAX only that brings its variables back from the compiled step, and takes them again.
        for number, each in enumerate(innermost(self.model.optimizer)):
            own = self._native.get(number) if not isinstance(each, RuleOptimizer) else None
            for schedule in plateaus(each._learning_rate) or filter(None, [own]):
                yield number, each, schedule

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin the windows of steps."""
        driven = list(self._driven())
        self._every = {number: schedule.every_steps for number, _, schedule in driven if schedule.every_steps}
        # How many batches were seen before the window in this epoch, and the sum over them.
        self._windows = dict.fromkeys(self._every, (0, 0.0))
        for _, _, schedule in driven:
            if schedule.every_steps and schedule.every_steps > (self.params.get("steps") or schedule.every_steps):
                warnings.warn(
                    f"{type(self).__name__}.every_steps is {schedule.every_steps}, more than the batches of an epoch:"
                    " it never looks",
                    stacklevel=2,
                )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tell schedules that look every so many steps the mean over their window."""
        seen = batch + 1
        if not any(seen % every == 0 for every in self._every.values()):
            return
        for number, optimizer, schedule in self._driven():
            if number not in self._every or seen % self._every[number]:
                continue
            mean = self._value(schedule, logs)
            if mean is not None:  # Keras shows the mean over the epoch.
                before, total = self._windows[number]
                self._windows[number] = seen, mean * seen
                self._tell(optimizer, schedule, (mean * seen - total) / (seen - before))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tell schedules that look every epoch."""
        for _, optimizer, schedule in self._driven():
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
        rate, before = float(keras.ops.convert_to_numpy(optimizer.learning_rate)), schedule.state["plateau_factor"]
        if schedule.observe(value, rate) and not isinstance(optimizer, RuleOptimizer):
            optimizer.learning_rate = rate * schedule.state["plateau_factor"] / before


def missing_plateau(optimizer: Any, callbacks: Sequence[Any]) -> list[ReduceOnPlateau]:
    """Return the callback that an optimizer's schedules need and `callbacks` lack, or none."""
    waits = any(plateaus(getattr(each, "_learning_rate", None)) for each in chain(optimizer))
    there = any(isinstance(callback, ReduceOnPlateau) for callback in callbacks)
    return [ReduceOnPlateau()] if waits and not there else []
