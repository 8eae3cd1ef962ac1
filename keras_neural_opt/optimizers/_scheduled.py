"""Rates and hyperparameters that follow schedules, such as the momentum beside a one-cycle learning rate."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras

from keras_neural_opt._core.arguments import Argument, Configurable
from keras_neural_opt._core.backend import native
from keras_neural_opt.optimizers._checks import LearningRateSchedule
from keras_neural_opt.schedules import ReduceOnPlateau, Schedule


class ScheduledHyperparameters(Configurable):
    """Lets a schedule stand where a hyperparameter is a number.

    Class attributes of a subclass:
        fixed: Names of the numbers that its rule decides by before there are tensors, and that stay numbers.
    """

    fixed: tuple[str, ...] = ()
    follows_schedules: bool = False
    _current: Callable[[Any], Any]
    _learning_rate: Any
    _plan: Any
    _track_variable: Callable[[Any], None]
    _untrack_variable: Callable[[Any], None]
    learning_rate: Any
    variables: Any
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

    # ---- A learning rate that keeps state

    def follow(self, rate: Any) -> None:
        """Take another learning rate from now on, also where the optimizer is built, and keep its state.

        Args:
            rate: A schedule, or the variable that was the rate before one.
        """
        if isinstance(rate, keras.Variable):
            self.forget_plateau(self._learning_rate)
            self._learning_rate = rate  # Keras tracks variables that become attributes.
            return
        # Not by assignment: TensorFlow asks for the old value first, and in epochs it has none. Forgets its state.
        type(self).learning_rate.fset(self, rate)
        if self.built:
            self._plan.counters |= self.plateau_state()

    def forget_plateau(self, rate: Any) -> None:
        """Let go of the variables that a learning rate keeps its state in.

        Args:
            rate: What the learning rate was.
        """
        known = {id(v) for v in self.variables}
        for part in plateaus(rate):
            for name, variable in part.variables.items():
                self._plan.counters.pop(name, None)
                if id(variable) in known:
                    self._untrack_variable(variable)

    def check_plateau(self) -> None:
        """Raise `ValueError` if the learning rate keeps state that this optimizer cannot have."""
        found = plateaus(self._learning_rate)
        if len(found) > 1:
            raise ValueError(f"{type(self).__name__}.learning_rate must not hold two schedules that keep state")
        for part in found:
            if part.variables:
                raise ValueError(f"{type(part).__name__} must not be in two optimizers; make one for each")

    def plateau_state(self) -> dict[str, Any]:
        """Return the variables of a learning rate that keeps state, by name; make them if need be."""
        for part in plateaus(self._learning_rate):
            if part.variables:  # They were here before.
                for variable in part.variables.values():
                    self._track_variable(variable)
            else:
                with native.on_host():
                    part.build(self)
            return dict(part.variables)
        return {}


def plateaus(rate: Any) -> list[ReduceOnPlateau]:
    """Return the schedules that keep state in a learning rate."""
    parts = rate.parts() if isinstance(rate, Schedule) else ()
    return [part for part in parts if isinstance(part, ReduceOnPlateau)]


def refuse_plateau(owner: str, name: str, schedule: Any) -> None:
    """Raise `ValueError` for a schedule that nobody would tell the metric: only learning rates are."""
    if plateaus(schedule):
        raise ValueError(f"{owner}.{name} must not wait for a plateau; received {schedule!r}")


def _itself(value: Any) -> Any:
    return value
