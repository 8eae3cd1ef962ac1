"""The optimizer of a trial, from what the search varies of it."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras

from keras_neural_opt import optimizers, schedules
from keras_neural_opt.optimizers import Wrapper
from keras_neural_opt.schedules._configs import SchedulerConfig

# What the call of `compile`, and what that of `fit`, takes from the search without a word of the user.
OF_COMPILE = ("optimizer", "learning_rate", "weight_decay", "schedule", "clipnorm")
OF_FIT = ("batch_size", "epochs")

_SCHEDULES = ("constant", "cosine", "linear", "one_cycle")


def searched_optimizer(base: Any, values: Mapping[str, Any], steps: int | None) -> Any:
    """Return a new optimizer.

    Args:
        base: A name or an optimizer, which is left alone.
        values: What is varied: `"optimizer"`, which takes the place of `base`; `"schedule"`, over the whole training;
            and arguments of the optimizer.
        steps: The steps of the training, where they are known.

    Raises:
        ValueError: The optimizer does not take one of the arguments, or nobody knows how long a schedule must be.
    """
    chosen = values.get("optimizer", base)
    arguments = {name: value for name, value in values.items() if name not in ("optimizer", "schedule")}
    config = {} if isinstance(chosen, str) else chosen.get_config()
    cls = class_of(chosen)
    if values.get("schedule") is not None:
        rate = arguments.get("learning_rate", config.get("learning_rate", _default_rate(cls)))
        arguments["learning_rate"] = _schedule(values["schedule"], rate, steps)
    if isinstance(chosen, str):
        return cls(**arguments)
    if isinstance(chosen, Wrapper):
        return _wrapped(chosen, arguments)
    return cls.from_config({**config, **arguments})


def class_of(optimizer: Any) -> Any:
    """Return the class of an optimizer or of a name."""
    return type(optimizers.get(optimizer)) if isinstance(optimizer, str) else type(optimizer)


def takes(optimizer: Any, argument: str) -> bool:
    """Whether an optimizer, or one of that name, takes an argument."""
    if isinstance(optimizer, Wrapper):
        return argument == "learning_rate"
    made = optimizers.get(optimizer) if isinstance(optimizer, str) else optimizer
    return argument in made.get_config()


def _default_rate(cls: Any) -> float:
    rate: float = inspect.signature(cls).parameters["learning_rate"].default
    return rate


def _wrapped(wrapper: Any, arguments: Mapping[str, Any]) -> Any:
    made = type(wrapper).from_config(wrapper.get_config())
    for name, value in arguments.items():
        setattr(made, name, value)
    return made


def _schedule(schedule: Any, rate: Any, steps: int | None) -> Any:
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return schedule
    if not isinstance(rate, (int, float)):
        raise ValueError(f"search_space.schedule must begin at a number as learning_rate; received {rate!r}")
    if schedule == "constant":
        return rate
    if steps is None:
        raise ValueError("search_space.schedule must be a schedule where the data does not know its length")
    if isinstance(schedule, SchedulerConfig):
        return schedule.build(rate, None)
    if schedule == "cosine":
        return schedules.CosineAnnealing(rate, steps)
    if schedule == "linear":
        return schedules.LinearDecay(rate, steps)
    if schedule == "one_cycle":
        return schedules.OneCycle(rate, steps)
    raise ValueError(
        f"search_space.schedule must be among {', '.join(_SCHEDULES)}, or a schedule; received {schedule!r}"
    )
