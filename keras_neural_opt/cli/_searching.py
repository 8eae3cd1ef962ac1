"""The search that the commands `tune` and `worker` run, and what they print."""

import argparse
from collections.abc import Mapping
from typing import Any

from keras_neural_opt.cli._script import ScriptModel
from keras_neural_opt.cli._search_data import load_data
from keras_neural_opt.cli._search_options import objective_of
from keras_neural_opt.hpo import OptunaOracle, OptunaTuner, SearchResult
from keras_neural_opt.hpo._settings import METHODS, engine_of


def tuner_of(options: argparse.Namespace, settings: Mapping[str, Any], seed: int | None) -> OptunaTuner:
    """Return a tuner of the script's model.

    Args:
        options: Those of the command.
        settings: `objective`, `trials` and `method`.
        seed: The seed, or None: that of the study.

    Raises:
        ValueError: A setting breaks its rule.
    """
    if settings["method"] not in METHODS:
        raise ValueError(f"--method must be one of {', '.join(METHODS)}; received {settings['method']!r}")
    sampler, pruner = engine_of(settings["method"], settings["epochs"])
    oracle = OptunaOracle(
        objective_of(settings["objective"]),
        settings["trials"],
        sampler,
        pruner,
        seed=seed,
        storage=options.storage,
        study_name=options.study,
    )
    return OptunaTuner(
        ScriptModel(options.what),
        oracle=oracle,
        seed=seed,
        trial_timeout=options.trial_timeout,
        directory=options.directory,
        project_name=options.project,
    )


def arguments_of_fit(options: argparse.Namespace, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the trials train on, and for how long."""
    data = load_data(options.data)
    return {**data, "epochs": settings["epochs"], "batch_size": settings["batch_size"]} if data else {}


def table_of(result: SearchResult) -> Any:
    """Return the best trials as a table."""
    from rich.table import Table

    names = [each.name for each in result.oracle.objectives]
    table = Table(title=f"{result.oracle.study_name}: the best of {len(result.trials)} trials")
    for heading in ("trial", *names, "hyperparameters"):
        table.add_column(heading)
    for trial in result.best_trials[:5]:
        values = ", ".join(
            f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in trial.hyperparameters.items()
        )
        table.add_row(str(trial.number), *(f"{value:.6g}" for value in trial.values or ()), values)
    return table
