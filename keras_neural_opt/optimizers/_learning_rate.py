"""A learning rate that is replaced, or that keeps state: the counters of a plateau."""

from collections.abc import Callable
from typing import Any

import keras

from keras_neural_opt._core.backend import native
from keras_neural_opt.schedules import ReduceOnPlateau, Schedule


class LearningRate:
    """The side of an optimizer that has to do with what its learning rate is."""

    _learning_rate: Any
    _plan: Any
    _track_variable: Callable[[Any], None]
    _untrack_variable: Callable[[Any], None]
    learning_rate: Any
    variables: Any
    built: bool

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
