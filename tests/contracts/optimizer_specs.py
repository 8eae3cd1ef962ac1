"""The table of optimizers: one row a class. A class without a row fails the suite."""

from collections.abc import Callable
from typing import Any

import keras

from keras_neural_opt import optimizers
from tests.contracts.arguments_table import (
    CLOSED_FRACTION,
    FLAG,
    FRACTION,
    MASK,
    NEGATIVE,
    NONNEGATIVE,
    POSITIVE,
    integer,
)
from tests.contracts.problem import OPTAX_STEPS
from tests.contracts.subject import Spec, Subject
from tests.oracles.adabelief import AdaBelief
from tests.oracles.adabound import AdaBound
from tests.oracles.adadelta import Adadelta
from tests.oracles.adafactor import Adafactor
from tests.oracles.adagrad import Adagrad
from tests.oracles.adam import Adam
from tests.oracles.adamax import Adamax
from tests.oracles.adamp import AdamP
from tests.oracles.adamw import AdamW
from tests.oracles.adan import Adan
from tests.oracles.ademamix import AdEMAMix
from tests.oracles.adopt import ADOPT
from tests.oracles.came import CAME
from tests.oracles.lamb import LAMB
from tests.oracles.lars import LARS
from tests.oracles.lazyadam import LazyAdam
from tests.oracles.lion import Lion
from tests.oracles.mars import MARS
from tests.oracles.nadam import Nadam
from tests.oracles.novograd import NovoGrad
from tests.oracles.radam import RAdam
from tests.oracles.rmsprop import RMSprop
from tests.oracles.rule import Rule
from tests.oracles.sgd import SGD
from tests.oracles.sgdp import SGDP
from tests.oracles.yogi import Yogi

ADAM_ARGUMENTS = {"beta_1": FRACTION, "beta_2": FRACTION, "epsilon": NONNEGATIVE, "amsgrad": FLAG}


BETAS = {"beta_1": FRACTION, "beta_2": FRACTION}


def without_masks(rule: Callable[..., Rule]) -> Callable[..., Rule]:
    """Return the maker of a twin that knows no masks: its variables are all adapted."""
    return lambda _, **options: rule(**{name: x for name, x in options.items() if not name.endswith("_mask")})


def adabound(learning_rate: float, **options: Any) -> Rule:
    return AdaBound(**{"base_learning_rate": learning_rate, **options})


def lazyadam(learning_rate: float, **options: Any) -> Rule:
    return LazyAdam(lazy="lazy_mask" in options, **{name: x for name, x in options.items() if name != "lazy_mask"})


SPECS = (
    Spec(
        optimizers.SGD,
        rule=lambda _, **options: SGD(**options),
        learning_rate=0.1,
        variants=({}, {"momentum": 0.9}, {"momentum": 0.8, "nesterov": True}),
        arguments={"momentum": FRACTION, "nesterov": FLAG},
        rate_of_quadratic=0.015,
        on_optax_problems={"learning_rate": 0.002, "momentum": 0.9},
        keras_class=keras.optimizers.SGD,
        row_wise=lambda options: not options.get("momentum"),
    ),
    Spec(
        optimizers.Adam,
        rule=lambda _, **options: Adam(**options),
        learning_rate=0.1,
        variants=({}, {"beta_1": 0.8, "beta_2": 0.7, "epsilon": 0.01}, {"amsgrad": True, "beta_2": 0.8}),
        arguments=ADAM_ARGUMENTS,
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.02},
        keras_class=keras.optimizers.Adam,
    ),
    Spec(
        optimizers.AdamW,
        rule=lambda _, **options: AdamW(**options),
        learning_rate=0.1,
        variants=({}, {"amsgrad": True, "beta_2": 0.8}),
        arguments={**ADAM_ARGUMENTS, "weight_decay": NONNEGATIVE},
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.02, "weight_decay": 0.0001},
        keras_class=keras.optimizers.AdamW,
        loop={"weight_decay": 0.004},
    ),
    Spec(
        optimizers.RMSprop,
        rule=lambda _, **options: RMSprop(**options),
        learning_rate=0.05,
        variants=({}, {"momentum": 0.5}, {"centered": True, "rho": 0.8}, {"centered": True, "momentum": 0.5}),
        arguments={"rho": FRACTION, "momentum": FRACTION, "epsilon": NONNEGATIVE, "centered": FLAG},
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.002, "momentum": 0.9},
        keras_class=keras.optimizers.RMSprop,
    ),
    Spec(
        optimizers.Adagrad,
        rule=lambda _, **options: Adagrad(**options),
        learning_rate=0.2,
        variants=({}, {"initial_accumulator_value": 0.01, "epsilon": 0.1}),
        arguments={"initial_accumulator_value": NONNEGATIVE, "epsilon": NONNEGATIVE},
        rate_of_quadratic=1.0,
        on_optax_problems={"learning_rate": 0.5},
        keras_class=keras.optimizers.Adagrad,
        row_wise=lambda options: True,
    ),
    Spec(
        optimizers.Adadelta,
        rule=lambda _, **options: Adadelta(**options),
        learning_rate=50.0,
        variants=({}, {"rho": 0.8, "epsilon": 1e-4}),
        arguments={"rho": FRACTION, "epsilon": NONNEGATIVE},
        rate_of_quadratic=10.0,
        # Its steps grow by themselves: one rate is too small for the parabola or too large for the valley.
        on_optax_problems={"learning_rate": keras.optimizers.schedules.CosineDecay(5.0, OPTAX_STEPS)},
        keras_class=keras.optimizers.Adadelta,
        row_wise=lambda options: True,
    ),
    Spec(
        optimizers.RAdam,
        rule=lambda _, **options: RAdam(**options),
        learning_rate=0.1,
        variants=({}, {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 0.01}, {"beta_2": 0.6}),
        arguments={"beta_1": FRACTION, "beta_2": FRACTION, "epsilon": NONNEGATIVE},
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.02},
    ),
    Spec(
        optimizers.AdaBound,
        rule=adabound,
        learning_rate=0.1,
        # With the default gamma the bounds are so wide in the first steps that nothing is bounded.
        variants=({}, {"gamma": 0.3}, {"gamma": 0.3, "amsbound": True, "beta_2": 0.8}),
        arguments={
            "beta_1": FRACTION,
            "beta_2": FRACTION,
            "final_learning_rate": POSITIVE,
            "gamma": POSITIVE,
            "epsilon": NONNEGATIVE,
            "amsbound": FLAG,
            "base_learning_rate": POSITIVE.default_of_others,
        },
        rate_of_quadratic=0.02,
        on_optax_problems={"learning_rate": 0.1, "final_learning_rate": 0.001},
        with_any_rate={"base_learning_rate": 0.1},
    ),
    Spec(
        optimizers.LARS,
        rule=without_masks(LARS),
        learning_rate=1.0,
        variants=(
            {"trust_coefficient": 0.1, "trust_ratio_mask": None, "weight_decay_mask": None},
            {"trust_coefficient": 0.1, "trust_ratio_mask": None, "nesterov": True, "momentum": 0.8},
            {"trust_coefficient": 0.5, "trust_ratio_mask": None, "momentum": 0.0, "clip": True},
        ),
        arguments={
            "momentum": FRACTION,
            "trust_coefficient": POSITIVE,
            "epsilon": NONNEGATIVE,
            "nesterov": FLAG,
            "clip": FLAG,
            "trust_ratio_mask": MASK,
        },
        rate_of_quadratic=1.0,
        on_optax_problems={"learning_rate": 0.005},
    ),
    Spec(
        optimizers.LAMB,
        rule=without_masks(LAMB),
        learning_rate=0.3,
        variants=({}, {"decay_in_trust_ratio": False, "beta_1": 0.8, "beta_2": 0.7, "epsilon": 0.01}),
        arguments={**BETAS, "epsilon": NONNEGATIVE, "decay_in_trust_ratio": FLAG, "trust_ratio_mask": MASK},
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.002},
    ),
    Spec(
        optimizers.Nadam,
        rule=lambda _, **options: Nadam(**options),
        learning_rate=0.1,
        variants=({}, {"beta_1": 0.8, "beta_2": 0.7, "epsilon": 0.01}, {"momentum_decay": 0.004}, {"beta_1": 0.0}),
        arguments={**BETAS, "epsilon": NONNEGATIVE, "momentum_decay": POSITIVE},
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.02},
        keras_class=keras.optimizers.Nadam,
    ),
    Spec(
        optimizers.Adamax,
        rule=lambda _, **options: Adamax(**options),
        learning_rate=0.1,
        variants=({}, {"beta_1": 0.8, "beta_2": 0.7, "epsilon": 0.01}),
        arguments={**BETAS, "epsilon": NONNEGATIVE},
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.05},
        keras_class=keras.optimizers.Adamax,
    ),
    Spec(
        optimizers.AdaBelief,
        rule=lambda _, **options: AdaBelief(**options),
        learning_rate=0.1,
        variants=({}, {"beta_1": 0.8, "beta_2": 0.7, "epsilon": 0.01}),
        arguments={**BETAS, "epsilon": NONNEGATIVE},
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.02},
    ),
    Spec(
        optimizers.Yogi,
        rule=lambda _, **options: Yogi(**options),
        learning_rate=0.1,
        variants=({}, {"beta_1": 0.8, "beta_2": 0.7, "epsilon": 0.1, "initial_accumulator_value": 0.5}),
        arguments={**BETAS, "epsilon": NONNEGATIVE, "initial_accumulator_value": NONNEGATIVE},
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.02},
    ),
    Spec(
        optimizers.Adan,
        rule=lambda _, **options: Adan(**options),
        learning_rate=0.1,
        variants=({}, {"beta_1": 0.8, "beta_2": 0.7, "beta_3": 0.9, "epsilon": 0.01}),
        arguments={**BETAS, "beta_3": FRACTION, "epsilon": NONNEGATIVE},
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.02},
    ),
    Spec(
        optimizers.AdamP,
        rule=lambda _, **options: AdamP(**options),
        learning_rate=0.1,
        # With these thresholds variables are projected by channel, as a whole and not at all.
        variants=({}, {"delta": 1.5}, {"delta": 9.0, "nesterov": True, "wd_ratio": 0.5, "beta_2": 0.8}),
        arguments={
            **BETAS,
            "epsilon": POSITIVE,
            "delta": POSITIVE,
            "wd_ratio": CLOSED_FRACTION,
            "nesterov": FLAG,
        },
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.02},
    ),
    Spec(
        optimizers.SGDP,
        rule=lambda _, **options: SGDP(**options),
        learning_rate=0.05,
        variants=({}, {"delta": 1.5}, {"delta": 9.0, "nesterov": True, "wd_ratio": 0.5, "momentum": 0.5}),
        arguments={
            "momentum": FRACTION,
            "epsilon": POSITIVE,
            "delta": POSITIVE,
            "wd_ratio": CLOSED_FRACTION,
            "nesterov": FLAG,
        },
        rate_of_quadratic=0.002,
        on_optax_problems={"learning_rate": 0.002},
    ),
    Spec(
        optimizers.ADOPT,
        rule=lambda _, **options: ADOPT(**options),
        learning_rate=0.5,
        variants=({}, {"use_clipping": False, "beta_1": 0.8, "beta_2": 0.7, "epsilon": 0.5}),
        arguments={**BETAS, "epsilon": POSITIVE, "use_clipping": FLAG},
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.02},
    ),
    Spec(
        optimizers.AdEMAMix,
        rule=lambda _, **options: AdEMAMix(**options),
        learning_rate=0.1,
        variants=(
            {},
            {"warmup_steps": 7, "alpha": 3.0, "beta_3": 0.99},
            {"beta_1": 0.0, "beta_2": 0.7, "beta_3": 0.9, "epsilon": 0.01, "warmup_steps": 5},
        ),
        arguments={
            **BETAS,
            "beta_3": FRACTION,
            "alpha": NONNEGATIVE,
            "warmup_steps": integer(1).optional,
            "epsilon": NONNEGATIVE,
        },
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.01, "beta_3": 0.99, "alpha": 1.0},
    ),
    Spec(
        optimizers.LazyAdam,
        rule=lazyadam,
        learning_rate=0.1,
        variants=({}, {"lazy_mask": None, "beta_1": 0.8, "beta_2": 0.7, "epsilon": 0.01}),
        arguments={**BETAS, "epsilon": NONNEGATIVE, "lazy_mask": MASK},
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.02},
        row_wise=lambda options: "lazy_mask" in options,
    ),
    Spec(
        optimizers.MARS,
        rule=lambda _, **options: MARS(**options),
        learning_rate=0.1,
        variants=({}, {"optimize_1d": True, "gamma": 0.1, "beta_1": 0.8, "beta_2": 0.7, "epsilon": 0.01}),
        arguments={**BETAS, "gamma": NONNEGATIVE, "epsilon": NONNEGATIVE, "optimize_1d": FLAG},
        rate_of_quadratic=0.1,
        on_optax_problems={"learning_rate": 0.02},
    ),
    Spec(
        optimizers.NovoGrad,
        rule=lambda _, **options: NovoGrad(**options),
        learning_rate=0.1,
        variants=({}, {"beta_1": 0.8, "beta_2": 0.5, "epsilon": 0.1, "grad_averaging": True}),
        arguments={**BETAS, "epsilon": NONNEGATIVE, "grad_averaging": FLAG},
        rate_of_quadratic=0.01,
        on_optax_problems={"learning_rate": 0.002},
    ),
    Spec(
        optimizers.Lion,
        rule=lambda _, **options: Lion(**options),
        learning_rate=0.1,
        variants=({}, {"beta_1": 0.5, "beta_2": 0.8}),
        arguments=BETAS,
        rate_of_quadratic=0.05,
        on_optax_problems={"learning_rate": 0.003, "beta_1": 0.95, "beta_2": 0.98},
        keras_class=keras.optimizers.Lion,
    ),
    Spec(
        optimizers.Adafactor,
        rule=lambda _, **options: Adafactor(**options),
        learning_rate=0.5,
        variants=({}, {"beta_2_decay": -0.5, "epsilon_1": 0.1, "epsilon_2": 0.5, "clip_threshold": 0.5}),
        arguments={
            "beta_2_decay": NEGATIVE,
            "epsilon_1": NONNEGATIVE,
            "epsilon_2": NONNEGATIVE,
            "clip_threshold": POSITIVE,
            "relative_step": FLAG,
        },
        rate_of_quadratic=0.5,
        on_optax_problems={"learning_rate": 0.005, "epsilon_2": 0.1},
        keras_class=keras.optimizers.Adafactor,
    ),
    Spec(
        optimizers.CAME,
        rule=lambda _, **options: CAME(**options),
        learning_rate=0.1,
        variants=(
            # Without noise momentum and step agree ever more, and the default divides by next to nothing.
            {"beta_2": 0.9, "beta_3": 0.95, "epsilon_2": 0.01},
            {},
            {"beta_1": 0.5, "epsilon_1": 0.1, "epsilon_2": 0.01, "clip_threshold": 0.5},
        ),
        arguments={
            **BETAS,
            "beta_3": FRACTION,
            "epsilon_1": NONNEGATIVE,
            "epsilon_2": NONNEGATIVE,
            "clip_threshold": POSITIVE,
        },
        rate_of_quadratic=0.01,
        on_optax_problems={"learning_rate": 0.01},
    ),
)

SUBJECTS = tuple(Subject(spec, options) for spec in SPECS for options in spec.variants)
SIMPLEST = tuple(Subject(spec, spec.variants[0]) for spec in SPECS)
