"""Schedules that do not know yet what they count, nor the rate that they start from."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from keras_neural_opt import schedules
from keras_neural_opt._core.arguments import did_you_mean, integer
from keras_neural_opt._core.named_options import named_options
from keras_neural_opt.schedules._schedule import Schedule

# What torch calls the arguments.
_SPELLINGS: dict[type[Schedule], dict[str, str]] = {
    schedules.Constant: {"lr": "learning_rate"},
    schedules.CosineAnnealing: {"T_max": "decay_steps", "eta_min": "minimum_learning_rate"},
    schedules.CosineAnnealingWarmRestarts: {
        "T_0": "first_decay_steps",
        "T_mult": "t_mul",
        "eta_min": "minimum_learning_rate",
    },
    schedules.Cyclical: {
        "base_lr": "initial_learning_rate",
        "max_lr": "maximum_learning_rate",
        "scale_fn": "scale_function",
    },
    schedules.ExponentialDecay: {"gamma": "decay_rate"},
    schedules.Join: {"schedulers": "schedules", "milestones": "boundaries"},
    schedules.LinearDecay: {"total_iters": "decay_steps"},
    schedules.MultiStepDecay: {"gamma": "decay_rate"},
    schedules.OneCycle: {"max_lr": "maximum_learning_rate"},
    schedules.PolynomialDecay: {"total_iters": "decay_steps"},
    schedules.ReduceOnPlateau: {"threshold": "min_delta"},
    schedules.StepDecay: {"step_size": "decay_steps", "gamma": "decay_rate"},
    schedules.Warmup: {"total_iters": "warmup_steps", "start_factor": "initial_factor"},
}
# These take no rate: the model's width decides, or the parts.
_WITHOUT_RATE = (schedules.Noam, schedules.Join)
# torch's decays once an epoch.
_DEFAULTS: dict[type[Schedule], dict[str, Any]] = {schedules.ExponentialDecay: {"decay_steps": 1}}


@dataclass(frozen=True)
class SchedulerConfig:
    """A schedule that does not know its rate yet.

    Args:
        schedule: The class.
        options: Its arguments; where its first is missing, it takes the optimizer's learning rate.
    """

    schedule: type[Schedule]
    options: dict[str, Any] = field(default_factory=dict)

    def build(self, learning_rate: float, steps_per_epoch: float | None = None) -> Any:
        """Return the schedule: counting epochs of so many steps, or with its unit left open."""
        options = {name: _built(value, learning_rate) for name, value in self.options.items()}
        if self.schedule not in _WITHOUT_RATE:
            options = {next(iter(_parameters(self.schedule))): learning_rate} | options
        made = self.schedule(**{"unit": "auto", **options})
        return made if steps_per_epoch is None else made.in_steps(steps_per_epoch)


def scheduler_config(cls: type[Schedule], given: Any, keywords: dict[str, Any]) -> SchedulerConfig:
    """Return the checked configuration of a schedule from options in torch's spelling or Keras'."""
    owner, spellings = cls.__name__, _SPELLINGS.get(cls, {})
    options = _DEFAULTS.get(cls, {}) | named_options(owner, given, keywords, spellings)
    if cls is schedules.CosineAnnealing and "last_epoch" in options:
        last = integer(options.pop("last_epoch"), -1).check(owner, "last_epoch")
        options = {"start_step": last + 1} | options
    accepted = [*_parameters(cls), "unit", "name"]
    for name, value in options.items():
        if name not in accepted:
            near = did_you_mean(name, [*arguments_of(cls), "unit", "name"])
            raise ValueError(f"{owner}.{name} must be an argument of {owner}; received {value!r}{near}")
    needed = [name for name, p in _parameters(cls).items() if p.default is p.empty and name not in options]
    for name in needed if cls in _WITHOUT_RATE else [name for name in needed if name != accepted[0]]:
        also = "".join(f" or {spelling}" for spelling, meant in spellings.items() if meant == name)
        raise ValueError(f"{owner}.{name}{also} must be given; received none")
    config = SchedulerConfig(cls, options)
    config.build(1.0)  # The constructor knows every rule; it complains now rather than when training starts.
    return config


def scheduler_creator(cls: type[Schedule], name: str) -> Callable[..., SchedulerConfig]:
    """Return the function of the one-call API that configures a schedule."""

    def create(config: Any = None, /, **options: Any) -> SchedulerConfig:
        return scheduler_config(cls, config, options)

    other = {meant: spelling for spelling, meant in _SPELLINGS.get(cls, {}).items()}
    defaults = _DEFAULTS.get(cls, {})
    listed = []
    for number, (argument, p) in enumerate(_parameters(cls).items()):
        default = repr(defaults.get(argument, p.default)) if argument in defaults or p.default is not p.empty else ""
        if number == 0 and cls not in _WITHOUT_RATE:
            default = "the optimizer's learning rate"
        spelled = f" or `{other[argument]}`" if argument in other else ""
        listed.append(f"`{argument}`{spelled}{f' ({default})' if default else ''}")
    create.__name__ = create.__qualname__ = f"create_{name}_scheduler"
    create.__doc__ = _CREATOR_DOCSTRING.format(cls=cls.__name__, name=name, options=", ".join(listed))
    return create


_CREATOR_DOCSTRING = """Return a `schedules.{cls}`, which see, for `create_neural_optimizer`.

It counts epochs in `train_neural_network`, in fractions from step to step, or where `create_neural_optimizer` knows
`steps_per_epoch`; else steps.

Args:
    config: None, a mapping or a list of (name, value) pairs of options.
    **options: Options as keywords, here with their defaults: {options}, `unit` (`"auto"`: as above). Where a schedule
        is wanted, what another of these functions returned will do.

Returns:
    A schedule whose unit, and where it takes one whose rate, is still open.

Raises:
    ValueError: An option is missing, unknown, given twice or breaks its rule.

Example:
    >>> import keras_neural_opt as kno
    >>> optimizer = kno.create_neural_optimizer(
    ...     "sgd", lr_scheduler=kno.create_warmup_scheduler(
    ...         schedule=kno.create_cosine_annealing_scheduler(T_max=90), warmup_steps=10
    ...     )
    ... )
"""


def schedule_class(name: str) -> type[Schedule]:
    """Return the class of a schedule, whose name may be written in any case and with underscores."""
    public = [getattr(schedules, each) for each in schedules.__all__]
    classes = {c.__name__.lower(): c for c in public if isinstance(c, type) and c is not Schedule}
    cls = classes.get(name.lower().replace("_", ""))
    if cls is None:
        known = sorted(c.__name__ for c in classes.values())
        raise ValueError(f"there is no schedule {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}")
    return cls


def arguments_of(cls: type[Schedule]) -> list[str]:
    """Return the names of a schedule's options, in every spelling."""
    last = ["last_epoch"] if cls is schedules.CosineAnnealing else []
    return [*_parameters(cls), *_SPELLINGS.get(cls, {}), *last]


def _parameters(cls: type[Schedule]) -> dict[str, inspect.Parameter]:
    return {name: p for name, p in inspect.signature(cls).parameters.items() if p.kind is not p.VAR_KEYWORD}


def _built(value: Any, learning_rate: float) -> Any:
    if isinstance(value, (list, tuple)):
        return [_built(each, learning_rate) for each in value]
    return value.build(learning_rate) if isinstance(value, SchedulerConfig) else value
