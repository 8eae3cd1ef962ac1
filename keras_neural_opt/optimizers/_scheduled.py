"""Hyperparameters that follow a schedule, such as the momentum beside a one-cycle learning rate."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from keras_neural_opt._core.arguments import Argument, Configurable
from keras_neural_opt._core.backend import native
from keras_neural_opt.optimizers._checks import LearningRateSchedule
from keras_neural_opt.schedules import Schedule


class ScheduledHyperparameters(Configurable):
    """Lets a schedule stand where a hyperparameter is a number.

    Class attributes of a subclass:
        fixed: Names of the numbers that its rule decides by before there are tensors, and that stay numbers.
    """

    fixed: tuple[str, ...] = ()
    _current: Callable[[Any], Any]
    _learning_rate: Any
    _plan: Any
    learning_rate: Any
    built: bool

    def set_hyperparameters(self, **arguments: Argument) -> None:
        """Check every argument, then set each as an attribute of that name; of a schedule its first value is checked.

        Args:
            **arguments: Hyperparameters wrapped by a check such as `fraction(beta_1)` or `positive(epsilon)`.

        Raises:
            ValueError: An argument breaks its rule, or is a schedule where the rule cannot follow one.
        """
        owner = type(self).__name__
        given = {name: a.value for name, a in arguments.items() if isinstance(a.value, LearningRateSchedule)}
        for name, schedule in given.items():
            if name in self.fixed or not arguments[name].rule.startswith("a number"):
                raise ValueError(
                    f"{owner}.{name} must be {arguments[name].rule}, and no schedule; received {schedule!r}"
                )
            if isinstance(schedule, Schedule) and schedule.counts_epochs:
                continue  # It has no value before training starts.
            first = float(schedule(0))
            replace(arguments[name], value=first, hint=f" as its first value{arguments[name].hint}").check(owner, name)
        super().set_hyperparameters(
            **{name: Argument(a.value, "", _itself) if name in given else a for name, a in arguments.items()}
        )

    def schedule_state(self) -> dict[str, Any]:
        """Make the variables of a learning rate that has state, and return them by name."""
        rate = self._learning_rate
        stateful = [part for part in (rate.parts() if isinstance(rate, Schedule) else ()) if hasattr(part, "build")]
        if len(stateful) > 1:
            raise ValueError(f"{type(self).__name__}.learning_rate must not hold two schedules that keep state")
        with native.on_host():
            return stateful[0].build(self) if stateful else {}

    def follow(self, schedule: Schedule) -> None:
        """Follow another schedule from now on, also where the optimizer is built.

        Args:
            schedule: The schedule, which may keep state.
        """
        self.learning_rate = schedule
        if self.built:
            self._plan.counters |= self.schedule_state()

    def scheduled(self) -> dict[str, Any]:
        """Return the hyperparameters that follow a schedule."""
        values = {name: vars(self)[name] for name in self._hyperparameter_names}
        return {name: value for name, value in values.items() if isinstance(value, LearningRateSchedule)}

    @contextmanager
    def at_this_step(self) -> Iterator[None]:
        """Give the scheduled hyperparameters, while the rule runs, the values that they have in this step."""
        schedules = self.scheduled()
        # Not by setattr: Keras and TensorFlow would track the values.
        vars(self).update({name: self._current(schedule) for name, schedule in schedules.items()})
        try:
            yield
        finally:
            vars(self).update(schedules)


def _itself(value: Any) -> Any:
    return value
