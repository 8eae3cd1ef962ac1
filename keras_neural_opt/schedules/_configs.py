"""Schedules that do not know yet what they count, nor the rate that they start from."""

from dataclasses import dataclass, field
from typing import Any

import keras

from keras_neural_opt._core.arguments import check_arguments, choice, did_you_mean, integer, nonnegative
from keras_neural_opt._core.named_options import named_options
from keras_neural_opt.schedules._cosine_annealing import CosineAnnealing

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule

_COSINE_SPELLINGS = {"decay_steps": "T_max", "minimum_learning_rate": "eta_min"}


@dataclass(frozen=True)
class SchedulerConfig:
    """A schedule whose unit, steps or epochs, is still open.

    Args:
        schedule: The class, which takes the initial learning rate first.
        options: Its other arguments.
        counts: The names of those that count steps or epochs.
    """

    schedule: type
    options: dict[str, Any] = field(default_factory=dict)
    counts: tuple[str, ...] = ()

    def build(self, learning_rate: float, steps_per_unit: float = 1.0) -> Any:
        """Return the schedule, which counts steps, and which keeps this configuration as `.in_open_unit`."""
        options = {
            name: max(1, round(value * steps_per_unit)) if value and name in self.counts else value
            for name, value in self.options.items()
        }
        schedule = self.schedule(learning_rate, **options)
        schedule.in_open_unit = (self, learning_rate)
        return schedule


def in_epochs(schedule: Any, steps_per_epoch: float) -> Any:
    """Return a schedule built by a `SchedulerConfig` so that it counts epochs, and None for any other value."""
    config, learning_rate = getattr(schedule, "in_open_unit", (None, None))
    return None if config is None else config.build(learning_rate, steps_per_epoch)


def cosine_annealing_config(given: Any, keywords: dict[str, Any]) -> SchedulerConfig:
    """Return the configuration of a `CosineAnnealing` from options in torch's spelling or Keras'."""
    options = named_options("CosineAnnealing", given, keywords, _COSINE_SPELLINGS)
    defaults = {"T_max": None, "eta_min": 0.0, "last_epoch": -1, "after": "hold"}
    for name, value in options.items():
        if name not in defaults:
            near = did_you_mean(name, [*defaults, *_COSINE_SPELLINGS])
            raise ValueError(f"CosineAnnealing.{name} must be an argument of CosineAnnealing; received {value!r}{near}")
    options = defaults | options
    checked = check_arguments(
        "CosineAnnealing",
        T_max=integer(options["T_max"], 1),
        eta_min=nonnegative(options["eta_min"]),
        last_epoch=integer(options["last_epoch"], -1),
        after=choice(options["after"], ("hold", "mirror")),
    )
    arguments = {
        "decay_steps": checked["T_max"],
        "minimum_learning_rate": checked["eta_min"],
        "start_step": checked["last_epoch"] + 1,
        "after": checked["after"],
    }
    return SchedulerConfig(CosineAnnealing, arguments, counts=("decay_steps", "start_step"))
