"""Hyperparameters that follow schedules, such as the momentum beside a one-cycle learning rate."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from keras_neural_opt._core.arguments import Argument, Configurable
from keras_neural_opt.optimizers._checks import LearningRateSchedule
from keras_neural_opt.optimizers._learning_rate import refuse_plateau
from keras_neural_opt.schedules import Schedule


class ScheduledHyperparameters(Configurable):
    """Lets a schedule stand where a hyperparameter is a number.

    Class attributes of a subclass:
        fixed: Names of the numbers that its rule decides by before there are tensors, and that stay numbers.
    """

    fixed: tuple[str, ...] = ()
    follows_schedules: bool = False
    _current: Callable[[Any], Any]

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
            rule = arguments[name].rule
            if name in self.fixed or not rule.startswith("a number"):
                raise ValueError(f"{owner}.{name} must be {rule}, and no schedule; received {schedule!r}")
            refuse_plateau(owner, name, schedule)
            if isinstance(schedule, Schedule) and schedule.counts_epochs:
                continue  # It has no value before training starts.
            first = float(schedule(0))
            replace(arguments[name], value=first, hint=f" as its first value{arguments[name].hint}").check(owner, name)
        super().set_hyperparameters(
            **{name: Argument(a.value, "", _itself) if name in given else a for name, a in arguments.items()}
        )
        self.follows_schedules = self.follows_schedules or bool(given)

    def scheduled(self) -> dict[str, Any]:
        """Return the hyperparameters that follow a schedule."""
        values = {name: vars(self)[name] for name in self._hyperparameter_names}
        return {name: value for name, value in values.items() if isinstance(value, LearningRateSchedule)}

    @contextmanager
    def at_this_step(self) -> Iterator[None]:
        """Give the scheduled hyperparameters, while the rule runs, the values that they have in this step."""
        schedules = self.scheduled() if self.follows_schedules else {}
        # Not by setattr: Keras and TensorFlow would track the values.
        vars(self).update({name: self._current(schedule) for name, schedule in schedules.items()})
        try:
            yield
        finally:
            vars(self).update(schedules)


def _itself(value: Any) -> Any:
    return value
