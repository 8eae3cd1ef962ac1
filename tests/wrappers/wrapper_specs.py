"""The table of wrappers: one row a class and choice of options, with its twin, around three kinds of optimizers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from keras_neural_opt import optimizers, transforms
from tests.oracles import clipping
from tests.oracles import transforms as changes
from tests.oracles import wrappers as oracles
from tests.oracles.adam import Adam
from tests.oracles.loop import Loop
from tests.oracles.radam import RAdam
from tests.oracles.sgd import SGD


@dataclass(frozen=True)
class Inner:
    """An optimizer to be wrapped, and its twin."""

    name: str
    make: Callable[..., Any]
    twin: Callable[..., Loop]
    native: bool = False

    def __str__(self) -> str:
        return self.name


INNERS = (
    Inner("Adam", lambda **o: optimizers.Adam(0.1, **o), lambda **o: Loop(Adam(), 0.1, **o)),
    Inner("RAdam", lambda **o: optimizers.RAdam(0.1, **o), lambda **o: Loop(RAdam(), 0.1, **o)),
    Inner(
        "native SGD",
        lambda **o: keras.optimizers.SGD(0.05, momentum=0.9, **o),
        lambda **o: Loop(SGD(momentum=0.9), 0.05, **o),
        native=True,
    ),
)


@dataclass(frozen=True)
class WrapperSpec:
    """A wrapper with options.

    Args:
        cls: The class.
        wrap: Puts it around an optimizer.
        twin: Puts its float64 twin around a loop.
        bad: Bad values of arguments, with the rule that the error must name.
        sees_micro_steps: Whether it works with gradients, which are then those of every micro-step.
        needed: The arguments that have no default.
        window: How many calls make one step.
    """

    cls: type
    wrap: Callable[[Any], Any]
    twin: Callable[[Any], oracles.Wrapped]
    options: str = ""
    bad: tuple[tuple[dict[str, Any], str], ...] = ()
    sees_micro_steps: bool = False
    needed: Mapping[str, Any] = field(default_factory=dict)
    window: int = 1

    def __str__(self) -> str:
        return f"{self.cls.__name__},{self.options}" if self.options else self.cls.__name__


INTEGER = "an integer >= 1"
MULTIPLIERS = "a mapping of regular expressions to numbers >= 0"

SPECS = (
    WrapperSpec(
        optimizers.Lookahead,
        lambda inner: optimizers.Lookahead(inner, sync_period=3, slow_step_size=0.4),
        lambda loop: oracles.Lookahead(loop, 3, 0.4),
        bad=(
            ({"sync_period": 0}, INTEGER),
            ({"sync_period": 2.5}, INTEGER),
            ({"slow_step_size": 0.0}, "a number in (0, 1]"),
            ({"slow_step_size": 1.1}, "a number in (0, 1]"),
            ({"pullback": "push"}, "one of 'none', 'reset', 'pullback'"),
            ({"name": ""}, "None or a non-empty string"),
            ({"inner_optimizer": 3}, "an optimizer or the name of one"),
        ),
    ),
    WrapperSpec(
        optimizers.Lookahead,
        lambda inner: optimizers.Lookahead(inner, 2, 0.5, "reset"),
        lambda loop: oracles.Lookahead(loop, 2, 0.5, "reset"),
        "reset",
    ),
    WrapperSpec(
        optimizers.Lookahead,
        lambda inner: optimizers.Lookahead(inner, 2, 0.5, "pullback"),
        lambda loop: oracles.Lookahead(loop, 2, 0.5, "pullback"),
        "pullback",
    ),
    WrapperSpec(
        optimizers.ExponentialMovingAverage,
        lambda inner: optimizers.ExponentialMovingAverage(inner, momentum=0.7, overwrite_frequency=4),
        lambda loop: oracles.ExponentialMovingAverage(loop, 0.7, overwrite_frequency=4),
        bad=(
            ({"momentum": 1.1}, "a number in [0, 1]"),
            ({"warm_up": 1}, "True or False"),
            ({"overwrite_frequency": 0}, f"None or {INTEGER}"),
        ),
    ),
    WrapperSpec(
        optimizers.ExponentialMovingAverage,
        lambda inner: optimizers.ExponentialMovingAverage(inner, warm_up=True),
        lambda loop: oracles.ExponentialMovingAverage(loop, warm_up=True),
        "warm_up",
    ),
    WrapperSpec(
        optimizers.StochasticWeightAveraging,
        lambda inner: optimizers.StochasticWeightAveraging(inner, start_step=3, period=2),
        lambda loop: oracles.StochasticWeightAveraging(loop, 3, 2),
        needed={"start_step": 1},
        bad=(({"start_step": 0}, INTEGER), ({"period": 0}, INTEGER)),
    ),
    WrapperSpec(
        optimizers.SWAG,
        lambda inner: optimizers.SWAG(inner, start_step=2, period=1, rank=3),
        lambda loop: oracles.StochasticWeightAveraging(loop, 2, 1),
        needed={"start_step": 1},
        bad=(({"rank": 1}, "an integer >= 2"),),
    ),
    WrapperSpec(
        optimizers.Cautious,
        lambda inner: optimizers.Cautious(inner),
        lambda loop: oracles.Cautious(loop),
        sees_micro_steps=True,
        bad=(({"inner_optimizer": None}, "an optimizer or the name of one"),),
    ),
    WrapperSpec(
        optimizers.Grokfast,
        lambda inner: optimizers.Grokfast(inner, alpha=0.8, amplification=1.5),
        lambda loop: oracles.Grokfast(loop, 0.8, 1.5),
        sees_micro_steps=True,
        bad=(({"alpha": 1.0}, "a number in [0, 1)"), ({"amplification": -1}, "a number >= 0")),
    ),
    WrapperSpec(
        optimizers.WithTransforms,
        lambda inner: optimizers.WithTransforms(
            inner, [transforms.GradientCentralization(), transforms.ClipByGlobalNorm(3.0), transforms.AutoClip(60.0)]
        ),
        lambda loop: oracles.WithTransforms(
            loop, (changes.centralized, lambda gs: clipping.by_global_norm(gs, 3.0), changes.AutoClip(60.0, 1000))
        ),
        sees_micro_steps=True,
        needed={"gradient_transforms": []},
        bad=(({"gradient_transforms": "clip"}, "a list of GradientTransforms"),),
    ),
    WrapperSpec(
        optimizers.GradientAccumulation,
        lambda inner: optimizers.GradientAccumulation(inner, 3),
        lambda loop: oracles.GradientAccumulation(loop, 3),
        sees_micro_steps=True,
        needed={"steps": 2},
        window=3,
        bad=(
            ({"steps": 0}, INTEGER),
            ({"steps": 2.5}, INTEGER),
            ({"reduction": "max"}, "one of 'mean', 'sum'"),
            ({"inner_optimizer": optimizers.SGD(gradient_accumulation_steps=2)}, "not accumulate gradients"),
            ({"inner_optimizer": keras.optimizers.SGD(gradient_accumulation_steps=2)}, "not accumulate gradients"),
            (
                {"inner_optimizer": optimizers.Lookahead(optimizers.GradientAccumulation("sgd", 2))},
                "not accumulate gradients: GradientAccumulation does",
            ),
        ),
    ),
    WrapperSpec(
        optimizers.GradientAccumulation,
        lambda inner: optimizers.GradientAccumulation(inner, steps=2, reduction="sum"),
        lambda loop: oracles.GradientAccumulation(loop, 2, "sum"),
        "sum",
        sees_micro_steps=True,
        window=2,
    ),
    WrapperSpec(
        optimizers.LayerwiseLearningRate,
        lambda inner: optimizers.LayerwiseLearningRate(inner, {"variable_1|kernel": 0.5, "variable_2": 0}),
        lambda loop: oracles.LayerwiseLearningRate(loop, factors=(1.0, 0.5, 0.0, 1.0)),
        bad=(
            ({"multipliers": {}}, MULTIPLIERS),
            ({"multipliers": {"a": -1}}, MULTIPLIERS),
            ({"multipliers": {"(": 1}}, MULTIPLIERS),
            ({"multipliers": ["a"]}, MULTIPLIERS),
        ),
    ),
    WrapperSpec(
        optimizers.SwitchToSGD,
        lambda inner: optimizers.SwitchToSGD(inner, at_step=4, learning_rate=0.05, momentum=0.5),
        lambda loop: oracles.SwitchToSGD(loop, 4, 0.05, 0.5),
        sees_micro_steps=True,
        bad=(
            ({"at_step": 0, "learning_rate": 0.1}, f"None or {INTEGER}"),
            ({"at_step": 3}, "given together with at_step"),
            ({"learning_rate": 0.1}, "given together with at_step"),
            ({"learning_rate": -1, "at_step": 1}, "None or a number > 0"),
            ({"momentum": 1.0}, "a number in [0, 1)"),
            ({"beta": 1.0}, "a number in [0, 1)"),
            ({"epsilon": 0}, "a number > 0"),
            (
                {"inner_optimizer": optimizers.SGD(loss_scale_factor=8.0)},
                "not scale the loss: SGD sees the scaled gradients",
            ),
        ),
    ),
    WrapperSpec(
        optimizers.SwitchToSGD,
        # So wide an epsilon that it switches within the test's steps.
        lambda inner: optimizers.SwitchToSGD(inner, momentum=0.5, beta=0.9, epsilon=0.02),
        lambda loop: oracles.SwitchToSGD(loop, None, None, 0.5, 0.9, 0.02),
        "swats",
        sees_micro_steps=True,
    ),
)
