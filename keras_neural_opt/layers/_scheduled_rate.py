"""The base of layers whose dropout rate is a weight: what it follows, what is counted, what is saved."""

from typing import Any, Self

import keras

from keras_neural_opt._core.arguments import Argument, check_arguments, fraction, integer, optional
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.scalars import number
from keras_neural_opt.layers._saved import read_saved
from keras_neural_opt.optimizers._learning_rate import refuse_plateau
from keras_neural_opt.schedules import Schedule

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule
# Where a schedule is looked at before training: its start, and steps far enough apart to see where it goes.
_SAMPLES = (0, *(2**power for power in range(31)))
_LAST_CALL = 2**31 - 1
_ADVICE = (
    "A file of a model with ordinary dropout is loaded into such a model; give that to"
    " keras_neural_opt.layers.with_scheduled_dropout"
)


class ScheduledRate(keras.layers.Layer):
    """Base of the scheduled dropout layers; a subclass drops in `drop`.

    A Python number is compiled into the step of a model, where nobody can change it. So the rate is a weight here, that
    is read in each step; and so is the number of calls, which a schedule makes the next rate from.
    """

    def __init__(self, rate: Any, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        refuse_plateau(owner, "rate", rate)
        checked = check_arguments(owner, rate=rate_argument(rate), seed=optional(integer(seed, 0, _LAST_CALL)))
        given, self.seed = checked["rate"], checked["seed"]
        self.schedule = given if isinstance(given, LearningRateSchedule) else None
        self.supports_masking = True
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self._given = given
        # Neither follows the layer's dtype: a half has no room for a rate near 1, nor for a large count.
        settings = {"shape": (), "trainable": False, "autocast": False, "aggregation": "only_first_replica"}
        first = 0.0 if counts_epochs(given) else rate_at(given, 0)
        start = keras.initializers.Constant(first)
        self._rate = self.add_weight(name="rate", dtype="float32", initializer=start, **settings)
        self._calls = self.add_weight(name="calls", dtype="int32", initializer="zeros", **settings)
        self.built = True

    @property
    def rate(self) -> Any:
        """The weight that holds the rate of the latest training call, or of the first. It takes a number in [0, 1)."""
        return self._rate

    @rate.setter
    def rate(self, value: Any) -> None:
        owner = type(self).__name__
        rate = fraction(value).check(owner, "rate")
        if self.schedule is not None:
            raise ValueError(f"{owner}.rate must follow its schedule {self.schedule!r}; received {value!r}")
        self._rate.assign(rate)

    @property
    def calls(self) -> Any:
        """The weight that holds how many training calls were counted, of a schedule: a rate that is set needs none."""
        return self._calls

    def follow(self, schedule: Any) -> None:
        """Take another schedule, which goes on at the present number of calls.

        A model that is compiled already needs `model.make_train_function(force=True)`.
        """
        self._given = self.schedule = rate_argument(schedule).check(type(self).__name__, "schedule")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the inputs, in training with dropout."""
        return self.drop(inputs, self._next_rate()) if training else inputs

    def drop(self, inputs: Any, rate: Any) -> Any:
        """Return the inputs with dropout of a rate, a float32 scalar that may be known only when the step runs."""
        raise NotImplementedError

    def _next_rate(self) -> Any:
        if self.schedule is None:
            return native.read(self._rate)
        calls = native.read(self._calls)
        # Not `ops.cast`, which on JAX leaves a weak type: the step would be compiled again for it.
        rate = native.cast(self.schedule(calls), "float32")
        self._rate.assign(rate)
        # An integer that overflows would begin the schedule anew.
        self._calls.assign(keras.ops.minimum(calls, _LAST_CALL - 1) + 1)
        return rate

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the inputs."""
        return input_shape

    # ---- Saving

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, JSON-ready."""
        rate = keras.saving.serialize_keras_object(self._given)
        return {**super().get_config(), "rate": rate, "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return a layer with this configuration."""
        return super().from_config({**config, "rate": keras.saving.deserialize_keras_object(config["rate"])})

    def _state(self) -> dict[str, Any]:
        # Keras' own dropout leaves its random numbers out of the file: resumed, it draws others.
        return {"rate": self._rate, "calls": self._calls, "seed_generator_state": self.seed_generator.state}

    def save_own_variables(self, store: Any) -> None:
        """Save the rate, the count and the state of the random numbers."""
        for name, variable in self._state().items():
            store[name] = variable

    def load_own_variables(self, store: Any) -> None:
        """Load what `save_own_variables` saved."""
        saved = read_saved(self, store, _ADVICE)
        for name, variable in self._state().items():
            variable.assign(saved[name])


def scheduled_layers(model: Any) -> list[ScheduledRate]:
    """Return the layers of a model, also of those inside of others, whose rate is a weight."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, ScheduledRate)]


def counts_epochs(rate: Any) -> bool:
    """Whether a rate is a schedule in epochs, which has no values before somebody says how long one is."""
    return isinstance(rate, Schedule) and any(part.unit == "epoch" for part in rate.parts())


def rate_argument(value: Any) -> Argument:
    """A dropout rate or a schedule of rates, ours or Keras', as far as can be seen by looking at some steps."""

    def convert(given: Any) -> Any:
        return given if isinstance(given, LearningRateSchedule) else fraction(given).convert(given)

    rule = "a number in [0, 1) or a LearningRateSchedule of such numbers"
    if isinstance(value, LearningRateSchedule) and not counts_epochs(value):
        for step in _SAMPLES:
            rate = rate_at(value, step)
            if not 0.0 <= rate < 1.0:
                return Argument(value, rule, _refuse, f", which gives {rate:.6g} at step {step}")
    return Argument(value, rule, convert)


def rate_at(rate: Any, step: int) -> float:
    """Return the value of a number or a schedule at a step."""
    if not isinstance(rate, LearningRateSchedule):
        return float(rate)
    return number(rate(step))


def _refuse(given: Any) -> Any:
    raise ValueError
