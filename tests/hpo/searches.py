"""Searches that train nothing, for what is seen of them."""

import math
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import keras_tuner as kt

from keras_neural_opt.hpo import OptunaOracle, SearchResult

Value = Callable[[Mapping[str, Any]], Any]

SPACE = [
    ("rate", "log_uniform", 1e-4, 1e-1),
    ("kind", "categorical", ["plain", "wide"]),
    ("width", "int", 8, 64, {"when": ("kind", "wide")}),
    ("shift", "normal", 100.0, 5.0),
]


def value_of(values: Mapping[str, Any]) -> float:
    """Return what is least at a rate of 0.01, and does not depend on the rest."""
    return (math.log10(values["rate"]) + 2) ** 2 + 0.1


def run(oracle: OptunaOracle, value: Value = value_of, epochs: int = 3) -> OptunaOracle:
    """Search: the value is reached from above over some epochs; one that raises fails."""
    while (trial := oracle.create_trial("here")).status != "STOPPED":
        try:
            report(oracle, trial, value(trial.hyperparameters.values), epochs)
        except ArithmeticError as error:
            trial.status, trial.message = "FAILED", str(error)
        oracle.end_trial(trial)
    return oracle


def report(oracle: OptunaOracle, trial: Any, value: Any, epochs: int) -> None:
    for epoch in range(epochs):
        worse = epochs - 1 - epoch
        metrics = value if isinstance(value, Mapping) else {oracle.objectives[0].name: value + worse}
        told = oracle.update_trial(trial.trial_id, metrics, step=epoch)
        trial.status = told.status
        if told.status == "STOPPED":
            return
    trial.status = "COMPLETED"


def oracle(objective: Any = "loss", max_trials: int = 20, **options: Any) -> OptunaOracle:
    defaults = {"hyperparameters": SPACE, "seed": 1, "sampler": "random", "pruner": None}
    return OptunaOracle(objective, max_trials, **{**defaults, **options})


def result(objective: Any = "loss", value: Value = value_of, **options: Any) -> SearchResult:
    """Return the result of a search."""
    return SearchResult(SimpleNamespace(oracle=run(oracle(objective, **options), value)))


def two(values: Mapping[str, Any]) -> dict[str, float]:
    """Return two objectives that are at odds."""
    return {"loss": values["rate"], "seconds": 1 - values["rate"]}


TWO = [kt.Objective("loss", "min"), kt.Objective("seconds", "min")]
