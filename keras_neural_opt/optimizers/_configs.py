"""Optimizers as data: a name and checked options, made into an optimizer when everything else is known."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras

from keras_neural_opt._core.arguments import choice, did_you_mean, integer, optional
from keras_neural_opt._core.named_options import named_options
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._checks import LearningRateSchedule
from keras_neural_opt.optimizers._exponential_moving_average import ExponentialMovingAverage
from keras_neural_opt.optimizers._lookahead import Lookahead
from keras_neural_opt.optimizers._registry import optimizer_class
from keras_neural_opt.optimizers._stochastic_weight_averaging import StochasticWeightAveraging
from keras_neural_opt.optimizers._switch_to_sgd import SwitchToSGD
from keras_neural_opt.optimizers._wrapper import Wrapper
from keras_neural_opt.schedules import Schedule
from keras_neural_opt.schedules._configs import SchedulerConfig
from keras_neural_opt.transforms import ClipByGlobalNorm, ClipByNorm, ClipByValue, GradientTransform

# What torch, optax and papers call the arguments.
_SPELLINGS = {
    "lr": "learning_rate",
    "beta1": "beta_1",
    "beta2": "beta_2",
    "eps": "epsilon",
    "final_lr": "final_learning_rate",
}
_OWN_SPELLINGS = {
    "rmsprop": {"alpha": "rho"},
    **{name: {"beta3": "beta_3"} for name in ("adan", "ademamix", "came")},
}

_CLIPPING = {"norm": ClipByGlobalNorm, "variable_norm": ClipByNorm, "value": ClipByValue}


@dataclass(frozen=True)
class OptimizerConfig:
    """The name and the options of an optimizer, checked.

    Args:
        name: A name that `optimizers.get` takes.
        options: Arguments of that class.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def build(self, **more: Any) -> RuleOptimizer:
        """Return the optimizer; `more` arguments replace those of the configuration."""
        return optimizer_class(self.name)(**{**self.options, **more})


def optimizer_config(name: str, given: Any = None, keywords: dict[str, Any] | None = None) -> OptimizerConfig:
    """Return a checked configuration of the optimizer called `name`.

    Args:
        name: A name that `optimizers.get` takes.
        given: None, a configuration of the same optimizer, a mapping or a list of (name, value) pairs.
        keywords: More options.

    Raises:
        ValueError: The name or an option is unknown, comes twice or has a bad value.
    """
    owner = optimizer_class(name).__name__
    if isinstance(given, OptimizerConfig):
        if optimizer_class(given.name) is not optimizer_class(name):
            raise ValueError(f"{owner}.config must be a configuration of {name}; received {given!r}")
        given = given.options
    name = name.lower()
    spellings = _SPELLINGS | _OWN_SPELLINGS.get(name, {})
    config = OptimizerConfig(name, named_options(owner, given, keywords or {}, spellings))
    config.build()  # The constructor knows every rule; it complains now rather than when training starts.
    return config


def config_creator(name: str) -> Callable[..., OptimizerConfig]:
    """Return the function of the one-call API that configures the optimizer called `name`."""

    def create(config: Any = None, /, **options: Any) -> OptimizerConfig:
        return optimizer_config(name, config, options)

    cls = optimizer_class(name)
    own = [p for p in list(inspect.signature(cls).parameters.values()) if p.kind is not p.VAR_KEYWORD]
    other = {meant: spelling for spelling, meant in (_SPELLINGS | _OWN_SPELLINGS.get(name, {})).items()}
    listed = (f"`{p.name}`{f' or `{other[p.name]}`' if p.name in other else ''} ({p.default!r})" for p in own)
    create.__name__ = create.__qualname__ = f"create_{name}_config"
    create.__doc__ = _CREATOR_DOCSTRING.format(cls=cls.__name__, name=name, options=", ".join(listed))
    return create


_CREATOR_DOCSTRING = """Return a checked configuration of `optimizers.{cls}`, which see.

Args:
    config: None, a mapping or a list of (name, value) pairs of options.
    **options: Options as keywords, here with their defaults: {options}; and the arguments of every optimizer, such as
        `weight_decay` or `weight_decay_mask`.

Returns:
    A configuration for `create_neural_optimizer("{name}", config=...)`.

Raises:
    ValueError: An option is unknown, given twice or breaks its rule.

Example:
    >>> import keras_neural_opt as kno
    >>> config = kno.create_{name}_config(lr=0.01, weight_decay=1e-4)
    >>> optimizer = kno.create_neural_optimizer("{name}", config)
"""


def configured_optimizer(
    name: str,
    config: Any,
    lr_scheduler: SchedulerConfig | Any | None,
    gradient_clipping: Any,
    steps_per_epoch: int | None,
    options: dict[str, Any],
) -> RuleOptimizer:
    """Return the optimizer with its schedule and its clipping. The arguments are those of the one-call API."""
    optional(integer(steps_per_epoch, 1)).check("create_neural_optimizer", "steps_per_epoch")
    checked = optimizer_config(name, config, options)
    more: dict[str, Any] = {}
    if lr_scheduler is not None:
        more["learning_rate"] = _schedule(checked, lr_scheduler, steps_per_epoch)
    if gradient_clipping is not None:
        more["gradient_transforms"] = [
            *clipping_transforms(gradient_clipping),
            *checked.options.get("gradient_transforms", ()),
        ]
    return checked.build(**more)


_WRAPPERS: dict[str, type[Wrapper]] = {
    "switch_to_sgd": SwitchToSGD,
    "lookahead": Lookahead,
    "ema": ExponentialMovingAverage,
    "swa": StochasticWeightAveraging,
}


def wrapped_optimizer(optimizer: RuleOptimizer, **wrappers: Any) -> RuleOptimizer | Wrapper:
    """Return the optimizer inside the wrappers, the first of them innermost; each is None, False, True or options."""
    wrapped: RuleOptimizer | Wrapper = optimizer
    for name, given in wrappers.items():
        if given is None or given is False:
            continue
        cls = _WRAPPERS[name]
        options = named_options(cls.__name__, None if given is True else given, {}, _SPELLINGS)
        accepted = [p for p in inspect.signature(cls).parameters if p != "inner_optimizer"]
        for option in options:
            if option not in accepted:
                near = did_you_mean(option, accepted)
                raise ValueError(
                    f"{cls.__name__}.{option} must be an argument of it; received {options[option]!r}{near}"
                )
        if cls is StochasticWeightAveraging and "start_step" not in options:
            raise ValueError(f"{cls.__name__}.start_step must be an integer >= 1; received none")
        wrapped = cls(wrapped, **options)
    return wrapped


def clipping_transforms(gradient_clipping: Any) -> list[GradientTransform]:
    """Return the transforms that `("norm", x)`, a transform, or a list of both asks for."""
    if isinstance(gradient_clipping, GradientTransform):
        return [gradient_clipping]
    if isinstance(gradient_clipping, list):
        return [transform for part in gradient_clipping for transform in clipping_transforms(part)]
    if not isinstance(gradient_clipping, tuple) or len(gradient_clipping) != 2:
        raise ValueError(
            "create_neural_optimizer.gradient_clipping must be a pair such as ('norm', 1.0), a GradientTransform or a"
            f" list of those; received {gradient_clipping!r}"
        )
    kind, limit = gradient_clipping
    kind = choice(kind, _CLIPPING).check("create_neural_optimizer", "gradient_clipping")
    return [_CLIPPING[kind](limit)]


def _schedule(config: OptimizerConfig, lr_scheduler: Any, steps_per_epoch: int | None) -> Any:
    if isinstance(lr_scheduler, LearningRateSchedule):
        in_epochs = isinstance(lr_scheduler, Schedule) and lr_scheduler.counts_epochs and steps_per_epoch
        return lr_scheduler.in_steps(steps_per_epoch) if in_epochs else lr_scheduler
    if not isinstance(lr_scheduler, SchedulerConfig):
        raise ValueError(
            "create_neural_optimizer.lr_scheduler must be made by a create_..._scheduler or be a"
            f" LearningRateSchedule; received {lr_scheduler!r}"
        )
    learning_rate = config.options.get("learning_rate", _default_learning_rate(config.name))
    if isinstance(learning_rate, keras.Variable) or callable(learning_rate):
        raise ValueError(
            f"create_neural_optimizer.config must have a number as learning_rate for the scheduler to start from;"
            f" received {learning_rate!r}"
        )
    return lr_scheduler.build(learning_rate, steps_per_epoch)


def _default_learning_rate(name: str) -> float:
    default: float = inspect.signature(optimizer_class(name)).parameters["learning_rate"].default
    return default
