"""What architecture searches find that stop most trainings early, next to whole trainings."""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_neural_opt._core.arguments import check_arguments, integer
from keras_neural_opt._core.branches import nothing
from keras_neural_opt.benchmarks._learning_curves import LearningCurves, space
from keras_neural_opt.benchmarks._quiet_optuna import quiet_optuna
from keras_neural_opt.benchmarks._search_budget import run_oracle
from keras_neural_opt.benchmarks._train_data import data_folder

TRIALS = (25, 50, 100)
SEEDS = 30
PREDICTORS = ("none", "early_stopping")
STRATEGIES = ("bayesian_evolution", "random")


def early_stopping(
    data: str | os.PathLike[str] | None = None, advance: Callable[[], Any] | None = None, seeds: int | None = None
) -> dict[str, Any]:
    """Compare searches with `performance_predictor="early_stopping"` and `"none"` on recorded learning curves.

    Args:
        data: The folder of the table that `record_learning_curves` wrote; by default what `KNO_DATA` says.
        advance: Called after each search, to show progress.
        seeds: How many searches of each, >= 1; by default 30.

    Returns:
        A record: of each strategy, predictor and number of trials how many epochs the searches took, and the regrets of
        the accuracy, in percent, of the network that each returned, at the best epoch of a whole training, one a seed.

    Raises:
        ValueError: An argument breaks its rule.
        FileNotFoundError: The table is not there.

    Example:
        >>> from keras_neural_opt.benchmarks import early_stopping
        >>> record = early_stopping("docs/benchmarks", seeds=1)  # doctest: +SKIP
    """
    if seeds is not None:
        check_arguments("early_stopping", seeds=integer(seeds, 1))
    curves, then = LearningCurves(data_folder(data)), advance or nothing
    with quiet_optuna():
        results = [
            {"strategy": strategy, "predictor": predictor, "trials": trials, **found}
            for strategy in STRATEGIES
            for predictor in PREDICTORS
            for trials in TRIALS
            for found in [_searched(curves, strategy, predictor, trials, range(seeds or SEEDS), then)]
        ]
    return {"benchmark": "early-stopping", "networks": curves.count, "epochs": curves.epochs, "results": results}


def searches_of(seeds: int | None) -> int:
    """Return how many searches `early_stopping` makes."""
    return len(STRATEGIES) * len(PREDICTORS) * len(TRIALS) * (seeds or SEEDS)


def _searched(
    curves: LearningCurves,
    strategy: str,
    predictor: str,
    trials: int,
    seeds: Sequence[int],
    then: Callable[[], Any],
) -> dict[str, Any]:
    epochs, regrets = [], []
    for seed in seeds:
        taken, best = search(curves, strategy, predictor, trials, seed)
        epochs.append(taken)
        regrets.append(round(100.0 * (curves.best - best), 3))
        then()
    return {"mean_epochs": round(statistics.fmean(epochs), 1), "regrets": regrets}


def search(curves: LearningCurves, strategy: str, predictor: str, trials: int, seed: int) -> tuple[int, float]:
    """Return how many epochs a search took, and the accuracy of the network that it returns."""
    from keras_neural_opt.hpo import OptunaOracle
    from keras_neural_opt.nas._predictors import pruner_of
    from keras_neural_opt.nas._strategies import STRATEGIES as OURS

    genes = space().genes
    oracle = OptunaOracle(
        "val_accuracy",
        trials,
        sampler=lambda seed, space: OURS[strategy](space, seed),
        pruner=pruner_of(predictor, 1, None, curves.epochs),
        hyperparameters=genes,
        seed=seed,
    )

    def curve_of(values: Mapping[str, Any]) -> list[float]:
        return curves.of({name: values[name] for name in genes.names if name in values})

    taken = sum(1 for _ in run_oracle(oracle, curve_of, curves.epochs, "val_accuracy", final=True))
    return taken, float(oracle.study.best_value)
