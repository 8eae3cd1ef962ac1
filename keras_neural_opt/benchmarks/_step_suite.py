"""The steps that the documentation shows, measured in one process."""

from collections.abc import Callable
from typing import Any

import keras

from keras_neural_opt import optimizers
from keras_neural_opt._core.arguments import check_arguments, choice
from keras_neural_opt.benchmarks._options import OPTIONS
from keras_neural_opt.benchmarks._own_rules import OWN_RULES
from keras_neural_opt.benchmarks._step import step

# What Keras had when it began, `RAdam` and `AdaBound`: they show what the base costs, with every option.
_BASE = ("adabound", "adadelta", "adagrad", "adam", "adamw", "radam", "rmsprop", "sgd")
SUITES = ("base", "family")


def step_suite(
    suite: str = "base",
    rounds: int = 15,
    seed: int = 0,
    device: str = "cpu",
    advance: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Measure `step` for many optimizers.

    Args:
        suite: `"base"`: the optimizers that Keras had when it began, `RAdam`, `AdaBound` and a user's own Adam; Adam
            also with every option and on other models; on torch all of them on many small matrices, and compiled.
            `"family"`: all others, and Adam to compare them with.
        rounds: Timed rounds of each.
        seed: Of variables and gradients.
        device: `"cpu"` or `"gpu"`.
        advance: Called after each round, to show progress.

    Returns:
        A record as `step` returns it, with the results of all.

    Raises:
        ValueError: An argument breaks its rule.
        RuntimeError: There is no such device.

    Example:
        >>> from keras_neural_opt.benchmarks import step_suite
        >>> record = step_suite(rounds=15)  # doctest: +SKIP
    """
    check_arguments("step_suite", suite=choice(suite, SUITES))
    # Only torch runs a step call by call, so that many small variables cost it more than their elements.
    on_torch = keras.backend.backend() == "torch"
    if suite == "family":
        others = ["adam", *(name for name in optimizers.available() if name not in _BASE)]
        runs = [("resnet50", "plain", others)]
        runs += [("many", "plain", others)] if on_torch else []
    else:
        adam, everything = ["adam"], [*_BASE, *OWN_RULES]
        runs = [("resnet50", "plain", everything), ("many", "plain", everything if on_torch else adam)]
        runs += [(model, "plain", adam) for model in ("transformer", "mlp")]
        runs += [("resnet50", option, adam) for option in OPTIONS if option not in ("plain", "compile")]
        if on_torch:
            runs.append(("resnet50", "compile", everything))
    records = [step(names, model, option, rounds, seed, device, advance) for model, option, names in runs]
    return {**records[0], "results": [result for record in records for result in record["results"]]}
