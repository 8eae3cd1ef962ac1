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
    """A schedule that does not know its initial rate yet.

    Args:
        schedule: The class, which takes the initial learning rate first.
        options: Its other arguments.
    """

    schedule: type
    options: dict[str, Any] = field(default_factory=dict)

    def build(self, learning_rate: float, steps_per_epoch: float | None = None) -> Any:
        """Return the schedule: counting epochs of so many steps, or with its unit left open."""
        schedule = self.schedule(learning_rate, **self.options, open_unit=True)
        return schedule if steps_per_epoch is None else in_epochs(schedule, steps_per_epoch)


def in_epochs(schedule: Any, steps_per_epoch: float) -> Any:
    """Return the schedule with its open unit closed: what it counts are epochs."""
    config = schedule.get_config()
    counts = {name: round(config[name] * steps_per_epoch) for name in schedule.counts}
    # Half an epoch of a tiny data set is still a step.
    steps = {name: max(1, count) if config[name] else 0 for name, count in counts.items()}
    return type(schedule).from_config({**config, **steps, "open_unit": False})


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
    return SchedulerConfig(CosineAnnealing, arguments)
