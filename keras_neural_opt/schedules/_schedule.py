"""The base of all schedules: what they count, what they hold, how they are saved and drawn."""

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Self

import keras

from keras_neural_opt._core.arguments import (
    Argument,
    Configurable,
    choice,
    integer,
    is_number,
    optional,
    positive,
    refuse_unknown,
    text,
)
from keras_neural_opt._core.scalars import is_host, number, step_count
from keras_neural_opt.schedules._figure import schedule_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNITS = ("step", "epoch", "auto")
LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule
# So many steps at a time a schedule counts: twice that is still a number that a 32-bit step can be.
MOST_STEPS = 2**30 - 1


class Schedule(Configurable, keras.optimizers.schedules.LearningRateSchedule):
    """Base class: a schedule is its arguments and one function of the step.

    A subclass checks its arguments in `__init__`, those in `counts` by `count`, and computes in `value`. It works
    wherever Keras takes a schedule, and also with Python ints, for which it computes in float64. Schedules can be
    multiplied by a number or by each other.

    Class attributes of a subclass:
        counts: Names of the arguments that count steps, or lists of them.
        nested: Names of the arguments that are schedules or functions, or lists of them.

    Args:
        unit: What `counts` count. `"step"`: effective steps, as integers (default). `"epoch"`: epochs, also parts of
            one; `in_steps` makes it a schedule that counts steps, which `train_neural_network` and the callback
            `ScheduleInEpochs` do when training starts. `"auto"`: epochs for these two, steps anywhere else.
        name: A name for `get_config`. Defaults to None.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> @keras.saving.register_keras_serializable("docs")
        ... class Halving(kno.schedules.Schedule):
        ...     counts = ("half_life",)
        ...     def __init__(self, half_life, **kwargs):
        ...         super().__init__(**kwargs)
        ...         self.set_hyperparameters(half_life=self.count(half_life, 1))
        ...     def value(self, step):
        ...         return 0.1 * 0.5 ** (step // self.half_life)
        >>> Halving(10)(25)
        0.025
        >>> Halving(0.5, unit="epoch").in_steps(20)(25)
        0.025
    """

    counts: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    unit: str
    name: str | None

    def __init__(self, unit: str = "step", name: str | None = None, **unknown: Any) -> None:
        refuse_unknown(self, Schedule, unknown)
        self.set_hyperparameters(unit=choice(unit, UNITS), name=optional(text(name)))

    def value(self, step: Any) -> Any:
        """Return the rate at a step.

        Args:
            step: A Python int, or a scalar integer tensor, perhaps of 32 bits.
        """
        raise NotImplementedError(f"{type(self).__name__} must override value(self, step)")

    def __call__(self, step: Any) -> Any:
        """Return the rate at a step.

        Args:
            step: How many effective steps were taken: a Python or NumPy number, a scalar integer tensor or variable.

        Returns:
            A Python float for a number, a float32 scalar tensor for a tensor.

        Raises:
            RuntimeError: It counts epochs, and nobody said how many steps an epoch has.
        """
        if self.unit == "epoch":
            raise RuntimeError(
                f"{type(self).__name__}.unit is 'epoch', and it is not known how many steps an epoch has: give fit"
                " callbacks=[keras_neural_opt.callbacks.ScheduleInEpochs()], or call schedule.in_steps(steps_per_epoch)"
            )
        step = step_count(step)
        value = self.value(step)
        if is_host(step):
            return float(value)
        return keras.ops.convert_to_tensor(value, "float32") if is_host(value) else value

    def __mul__(self, other: Any) -> "Schedule":
        # Here, for both are schedules themselves.
        from keras_neural_opt.schedules._product import Product
        from keras_neural_opt.schedules._scaled import Scaled

        if isinstance(other, LearningRateSchedule):
            return Product([self, other])
        return Scaled(self, other) if is_host(other) else NotImplemented

    __rmul__ = __mul__

    # ---- What it counts

    def count(self, value: Any, minimum: int, maximum: int | None = MOST_STEPS) -> Argument:
        """Return the check of an argument that counts steps, to give to `set_hyperparameters`.

        Args:
            value: As the user gave it.
            minimum: The least that it may be.
            maximum: The most, in steps; None for no bound, if the subclass computes with any.
        """
        if self.unit != "epoch":
            return integer(value, minimum, maximum)

        def convert(given: Any) -> float:
            if not is_number(given) or not (given > 0 or given == minimum == 0):
                raise ValueError
            return int(given) if float(given).is_integer() else float(given)

        return Argument(value, "a number > 0" if minimum else "a number >= 0", convert)

    def increasing_counts(self, value: Any) -> Argument:
        """Return the check of an argument that is a list of such counts, each larger than the one before.

        Args:
            value: As the user gave it.
        """
        rule = "a list of increasing integers >= 1" if self.unit != "epoch" else "a list of increasing numbers > 0"

        def convert(given: Any) -> list[Any]:
            if not isinstance(given, (list, tuple)) or not given:
                raise ValueError
            found = [self.count(each, 1).convert(each) for each in given]
            if any(later <= sooner for sooner, later in pairwise(found)):
                raise ValueError
            return found

        return Argument(value, rule, convert)

    def in_steps(self, steps_per_epoch: float) -> Self:
        """Return this schedule with all that counts epochs counting steps; those it holds likewise.

        Args:
            steps_per_epoch: How many effective steps an epoch has, > 0. Counts are rounded, to at least one step.

        Raises:
            ValueError: It is no such number, or a count becomes too large.
        """
        per_epoch = positive(steps_per_epoch).check(type(self).__name__, "steps_per_epoch")
        arguments = self.hyperparameters()
        for name in self.nested:
            arguments[name] = _each(arguments[name], lambda x: x.in_steps(per_epoch) if isinstance(x, Schedule) else x)
        if self.unit != "step":
            for name in self.counts:
                arguments[name] = _each(arguments[name], lambda x: max(1, round(x * per_epoch)) if x else x)
                if isinstance(arguments[name], list):  # Two in one step would be one.
                    arguments[name] = list(accumulate(arguments[name], lambda before, x: max(x, before + 1)))
        return type(self)(**{**arguments, "unit": "step"})

    @property
    def counts_epochs(self) -> bool:
        """Whether it, or a schedule in it, would count epochs if it was told their length."""
        return any(part.unit != "step" for part in self.parts())

    def parts(self) -> Iterator["Schedule"]:
        """Yield this schedule, and all of this library that it holds."""
        yield self
        held: list[Any] = []
        for name in self.nested:
            _each(getattr(self, name), held.append)
        for part in held:
            if isinstance(part, Schedule):
                yield from part.parts()

    # ---- Saving

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, JSON-ready."""
        config = self.hyperparameters()
        for name in self.nested:
            config[name] = _each(config[name], keras.saving.serialize_keras_object)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """Return a schedule with this configuration."""
        made = dict(config)
        for name in cls.nested:
            made[name] = _each(
                made[name], lambda x: keras.saving.deserialize_keras_object(x, custom_objects=custom_objects)
            )
        return cls(**made)

    # ---- Drawing

    def plot(self, steps: int) -> "Figure":
        """Return a picture of the first `steps` steps.

        Args:
            steps: How many, >= 2.

        Returns:
            A matplotlib figure; `figure.savefig("rate.png")` writes it.

        Raises:
            ModuleNotFoundError: matplotlib is not installed.
            RuntimeError: It counts epochs of unknown length; draw `schedule.in_steps(steps_per_epoch)`.
        """
        return schedule_figure({self.name or type(self).__name__: self}, steps)


def schedule_argument(value: Any) -> Argument:
    """A schedule, ours or Keras', or a number that stays."""

    def convert(given: Any) -> Any:
        if isinstance(given, LearningRateSchedule):
            return given
        if not is_number(given) or given < 0:
            raise ValueError
        return float(given)

    return Argument(value, "a LearningRateSchedule or a number >= 0", convert)


def schedules_argument(value: Any) -> Argument:
    """A list of them."""

    def convert(given: Any) -> list[Any]:
        if not isinstance(given, (list, tuple)) or not given:
            raise ValueError
        return [schedule_argument(each).convert(each) for each in given]

    return Argument(value, "a list of LearningRateSchedules or numbers >= 0", convert)


def value_of(part: Any, step: Any) -> Any:
    """Return the rate of a schedule that another one holds, or of a number, at a step as `Schedule.value` gets it."""
    if not isinstance(part, LearningRateSchedule):
        return part
    value = part(step)
    # Keras' own answer a Python int with a tensor.
    return number(value) if is_host(step) and not is_host(value) else value


def _each(value: Any, function: Any) -> Any:
    return [function(x) for x in value] if isinstance(value, list) else function(value)
