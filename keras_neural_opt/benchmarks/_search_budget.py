"""What searches find on learning curves that are looked up, for so many epochs of training."""

import itertools
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from keras_neural_opt._core.arguments import check_arguments, choice, integer
from keras_neural_opt._core.branches import nothing
from keras_neural_opt.benchmarks._quiet_optuna import quiet_optuna
from keras_neural_opt.benchmarks._sampler_problems import EPOCHS, Curves, suggested
from keras_neural_opt.benchmarks._train_data import data_folder

BUDGETS = tuple(range(135, 1351, 135))
TRIALS = 50
SEEDS = 50
OURS = "HalvedStart"
PRUNERS = {"none": None, "median": "median", "halved_start": "halved_start"}
# The loss after each epoch that is the last of a whole training; None after each other one.
Epochs = Iterator[float | None]


def search_budget(
    names: Sequence[str] = (),
    data: str | os.PathLike[str] | None = None,
    advance: Callable[[], Any] | None = None,
    seeds: int | None = None,
) -> dict[str, Any]:
    """Compare searches that end trainings early, on 864 learning curves of networks for scikit-learn's digits.

    Args:
        names: Which; all by default: our sampler with `HalvedStart`, KerasTuner's Hyperband, Optuna's TPE with its
            median pruner.
        data: The folder of data sets, with the table of trainings; by default what `KNO_DATA` says.
        advance: Called after each search, to show progress.
        seeds: How many searches of each, >= 1; by default 50.

    Returns:
        A record: of each search and budget of epochs the mean regret of the best configuration that was trained to the
        end, against the best of the table, and its standard error; and the same of fifty trials of our default sampler
        without a pruner, with the median and with `HalvedStart`, and how many epochs these took.

    Raises:
        ValueError: An argument breaks its rule.
        FileNotFoundError: The table is not there.

    Example:
        >>> from keras_neural_opt.benchmarks import search_budget
        >>> record = search_budget(["Hyperband"], seeds=1)  # doctest: +SKIP
    """
    for name in names:
        check_arguments("search_budget", names=choice(name, SEARCHES))
    if seeds is not None:
        check_arguments("search_budget", seeds=integer(seeds, 1))
    curves = Curves(data_folder(data))
    results, pruning = [], []
    with quiet_optuna():
        for name in names or SEARCHES:
            regrets = []
            for seed in range(seeds or SEEDS):
                regrets.append(_regrets(SEARCHES[name](curves, seed), curves.least))
                (advance or nothing)()
            for budget, of_seeds in zip(BUDGETS, zip(*regrets, strict=True), strict=True):
                results.append({"search": name, "epochs": budget, **_judged(of_seeds)})
        for name, pruner in PRUNERS.items():
            pruning.append({"pruner": name, **_pruned(curves, pruner, range(seeds or SEEDS), advance or nothing)})
    return {
        "benchmark": "search-budget",
        "seeds": seeds or SEEDS,
        "least": curves.least,
        "trials": TRIALS,
        "results": results,
        "pruning": pruning,
    }


def searches_of(names: Sequence[str], seeds: int | None) -> int:
    """Return how many searches `search_budget` makes."""
    return (len(names or SEARCHES) + len(PRUNERS)) * (seeds or SEEDS)


def _pruned(curves: Curves, pruner: Any, seeds: Sequence[int], advance: Callable[[], Any]) -> dict[str, float]:
    epochs, regrets = [], []
    for seed in seeds:
        losses = list(_search(curves, seed, pruner, TRIALS))
        epochs.append(len(losses))
        regrets.append(min(loss for loss in losses if loss is not None) - curves.least)
        advance()
    return {"mean_epochs": round(statistics.fmean(epochs), 2), **_judged(regrets)}


def _regrets(epochs: Epochs, least: float) -> list[float]:
    """Return the regret of the best training that was finished, after each budget."""
    best, regrets, spent = float("inf"), [], 0
    for budget in BUDGETS:
        if best > least:  # Nothing is better than the best of all.
            finished = [loss for loss in itertools.islice(epochs, budget - spent) if loss is not None]
            best = min([best, *finished])
        spent = budget
        regrets.append(best - least)
    return regrets


def _judged(regrets: Sequence[float]) -> dict[str, float]:
    spread = statistics.stdev(regrets) if len(regrets) > 1 else 0.0
    return {
        "mean_regret": round(statistics.fmean(regrets), 5),
        "standard_error": round(spread / len(regrets) ** 0.5, 5),
    }


def run_oracle(
    oracle: Any,
    curve_of: Callable[[Mapping[str, Any]], Sequence[float]],
    epochs: int = EPOCHS,
    metric: str = "val_loss",
    **last: Any,
) -> Epochs:
    """Run the trials of an oracle of KerasTuner's kind, some of which go on with earlier ones, epoch by epoch."""
    while (trial := oracle.create_trial("here")).status == "RUNNING":
        values = trial.hyperparameters.values
        curve = curve_of(values)
        begin = getattr(trial.hyperparameters, "initial_epoch", values.get("tuner/initial_epoch", 0))
        for epoch in range(begin, values.get("tuner/epochs", epochs)):
            options = last if epoch == epochs - 1 else {}
            status = oracle.update_trial(trial.trial_id, {metric: curve[epoch]}, epoch, **options).status
            yield curve[epoch] if epoch == epochs - 1 else None
            if status == "STOPPED":
                break
        trial.status = "STOPPED" if status == "STOPPED" else "COMPLETED"
        oracle.end_trial(trial)


def halved_start(curves: Curves, seed: int) -> Epochs:
    """Search with our default sampler and `HalvedStart`."""
    return _search(curves, seed, "halved_start", None)


def _search(curves: Curves, seed: int, pruner: Any, max_trials: int | None) -> Epochs:
    from keras_neural_opt.hpo import OptunaOracle

    space = [(name, *kind) for name, kind in curves.kinds().items()]
    oracle = OptunaOracle("val_loss", max_trials, pruner=pruner, hyperparameters=space, seed=seed)
    return run_oracle(oracle, curves.of, final=True)


def hyperband(curves: Curves, seed: int) -> Epochs:
    """Search with KerasTuner's Hyperband."""
    import keras_tuner as kt

    space = kt.HyperParameters()
    for name, (kind, *values) in curves.kinds().items():
        space.Int(name, *values) if kind == "int" else space.Choice(name, *values)
    oracle = kt.oracles.HyperbandOracle(
        kt.Objective("val_loss", "min"), EPOCHS, 3, hyperband_iterations=1000, seed=seed, hyperparameters=space
    )
    oracle.verbose = 0
    with tempfile.TemporaryDirectory() as folder:
        oracle._set_project_dir(folder, "search")
        yield from run_oracle(oracle, curves.of)


def tpe_with_median(curves: Curves, seed: int) -> Epochs:
    """Search with Optuna's TPE and its median pruner."""
    import optuna

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), pruner=optuna.pruners.MedianPruner())
    while True:
        trial = study.ask()
        losses = curves.of(suggested(trial, curves.kinds()))
        for epoch, loss in enumerate(losses):
            trial.report(loss, epoch)
            yield loss if epoch == EPOCHS - 1 else None
            if epoch < EPOCHS - 1 and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, losses[-1])


SEARCHES: dict[str, Callable[[Curves, int], Epochs]] = {
    OURS: halved_start,
    "Hyperband": hyperband,
    "TPESampler, MedianPruner": tpe_with_median,
}
