"""The table of optimizers: one row a class. A class without a row fails the suite."""

from typing import Any

import keras

from keras_neural_opt import optimizers
from tests.contracts.arguments_table import FLAG, FRACTION, NONNEGATIVE, POSITIVE
from tests.contracts.subject import Spec, Subject
from tests.oracles.adabound import AdaBound
from tests.oracles.adadelta import Adadelta
from tests.oracles.adagrad import Adagrad
from tests.oracles.adam import Adam
from tests.oracles.adamw import AdamW
from tests.oracles.radam import RAdam
from tests.oracles.rmsprop import RMSprop
from tests.oracles.rule import Rule
from tests.oracles.sgd import SGD

ADAM_ARGUMENTS = {"beta_1": FRACTION, "beta_2": FRACTION, "epsilon": NONNEGATIVE, "amsgrad": FLAG}


def adabound(learning_rate: float, **options: Any) -> Rule:
    return AdaBound(**{"base_learning_rate": learning_rate, **options})


SPECS = (
    Spec(
        optimizers.SGD,
        rule=lambda _, **options: SGD(**options),
        learning_rate=0.1,
        variants=({}, {"momentum": 0.9}, {"momentum": 0.8, "nesterov": True}),
        arguments={"momentum": FRACTION, "nesterov": FLAG},
        rate_of_quadratic=0.015,
        on_rosenbrock={"learning_rate": 0.002, "momentum": 0.9},
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
        on_rosenbrock={"learning_rate": 0.1},
        keras_class=keras.optimizers.Adam,
    ),
    Spec(
        optimizers.AdamW,
        rule=lambda _, **options: AdamW(**options),
        learning_rate=0.1,
        variants=({}, {"amsgrad": True, "beta_2": 0.8}),
        arguments={**ADAM_ARGUMENTS, "weight_decay": NONNEGATIVE},
        rate_of_quadratic=0.1,
        on_rosenbrock={"learning_rate": 0.1, "weight_decay": 0.0001},
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
        on_rosenbrock={"learning_rate": 0.003, "momentum": 0.9},
        keras_class=keras.optimizers.RMSprop,
    ),
    Spec(
        optimizers.Adagrad,
        rule=lambda _, **options: Adagrad(**options),
        learning_rate=0.2,
        variants=({}, {"initial_accumulator_value": 0.01, "epsilon": 0.1}),
        arguments={"initial_accumulator_value": NONNEGATIVE, "epsilon": NONNEGATIVE},
        rate_of_quadratic=1.0,
        on_rosenbrock={"learning_rate": 0.2},
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
        on_rosenbrock={"learning_rate": 3.0},
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
        on_rosenbrock={"learning_rate": 0.002, "beta_2": 0.95},
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
        on_rosenbrock={"learning_rate": 0.1},
        with_any_rate={"base_learning_rate": 0.1},
    ),
)

SUBJECTS = tuple(Subject(spec, options) for spec in SPECS for options in spec.variants)
SIMPLEST = tuple(Subject(spec, spec.variants[0]) for spec in SPECS)
