"""What samplers find in fifty trials, and what a proposal costs."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras_neural_opt._core.arguments import check_arguments, choice, integer
from keras_neural_opt._core.branches import nothing
from keras_neural_opt.benchmarks._quiet_optuna import quiet_optuna
from keras_neural_opt.benchmarks._sampler_problems import Problem, branin, digits_table, hartmann6, mixed
from keras_neural_opt.benchmarks._train_data import data_folder

TRIALS = 50
OURS = "GaussianProcessSampler"
SAMPLERS = (OURS, "TPESampler", "GPSampler", "CmaEsSampler", "RandomSampler")
COSTS_AT = (50, 200, 500)
_COST_REPEATS = 3
_SLOW = {"GPSampler": 20}  # seeds at most


@dataclass(frozen=True)
class Setting:
    """A problem: what makes it from the folder of data, its least value, and over how many seeds it is run."""

    make: Callable[[Any], Problem]
    least: float
    seeds: int


PROBLEMS = {
    "branin": Setting(lambda folder: branin, 0.397887, 20),
    "hartmann6": Setting(lambda folder: hartmann6, -3.32237, 20),
    "mixed": Setting(lambda folder: mixed, 0.0, 20),
    "digits": Setting(digits_table, 0.06055, 50),
}


def samplers(
    names: Sequence[str] = (),
    data: str | os.PathLike[str] | None = None,
    advance: Callable[[], Any] | None = None,
    seeds: int | None = None,
) -> dict[str, Any]:
    """Compare samplers of Optuna, in their defaults, by the best of fifty trials.

    Args:
        names: Which; all by default: ours, TPE, Optuna's own Gaussian process (which needs torch), CMA-ES, random.
        data: The folder of data sets, with the table of trainings; by default what `KNO_DATA` says.
        advance: Called after each study, to show progress.
        seeds: How many studies of each problem, >= 1; by default 20, and of the table 50 but for Optuna's GP.

    Returns:
        A record. Of each problem and sampler the best value of each seed, their median, mean and standard error; of
        each sampler the processor seconds of one proposal of seven parameters after 50, 200 and 500 trials.

    Raises:
        ValueError: An argument breaks its rule.
        FileNotFoundError: The table is not there.

    Example:
        >>> from keras_neural_opt.benchmarks import samplers
        >>> record = samplers(["RandomSampler"], seeds=1)  # doctest: +SKIP
    """
    for name in names:
        check_arguments("samplers", names=choice(name, SAMPLERS))
    if seeds is not None:
        check_arguments("samplers", seeds=integer(seeds, 1))
    chosen, folder = names or SAMPLERS, data_folder(data)
    problems = {name: setting.make(folder) for name, setting in PROBLEMS.items()}
    results, costs = [], []
    with quiet_optuna():
        for name in chosen:
            for problem, function in problems.items():
                best = []
                for seed in range(_seeds(name, problem, seeds)):
                    best.append(_best(name, function, seed))
                    (advance or nothing)()
                results.append({"problem": problem, "sampler": name, **_judged(best, PROBLEMS[problem].least)})
            costs.append({"sampler": name, **{str(count): round(_cost(name, count), 4) for count in COSTS_AT}})
    return {"benchmark": "samplers", "trials": TRIALS, "results": results, "cpu_seconds_of_a_proposal": costs}


def studies_of(names: Sequence[str], seeds: int | None) -> int:
    """Return how many studies `samplers` makes."""
    return sum(_seeds(name, problem, seeds) for name in names or SAMPLERS for problem in PROBLEMS)


def _seeds(name: str, problem: str, seeds: int | None) -> int:
    return seeds or min(PROBLEMS[problem].seeds, _SLOW.get(name, PROBLEMS[problem].seeds))


def sampler_of(name: str, seed: int) -> Any:
    """Return a sampler in its defaults."""
    import optuna

    from keras_neural_opt.hpo import GaussianProcessSampler

    return GaussianProcessSampler(seed=seed) if name == OURS else getattr(optuna.samplers, name)(seed=seed)


def _best(name: str, function: Problem, seed: int) -> float:
    import optuna

    study = optuna.create_study(sampler=sampler_of(name, seed))
    study.optimize(function, n_trials=TRIALS)
    return study.best_value


def _cost(name: str, count: int) -> float:
    """Return the processor seconds of a proposal after `count` trials drawn at random."""
    import optuna

    study = optuna.create_study(sampler=sampler_of("RandomSampler", 0))
    study.optimize(mixed, n_trials=count)
    study.sampler, seconds = sampler_of(name, 0), []
    for _ in range(_COST_REPEATS):
        begin = time.process_time()
        trial = study.ask()
        value = mixed(trial)
        seconds.append(time.process_time() - begin)
        study.tell(trial, value)
    return statistics.median(seconds)


def _judged(best: list[float], least: float) -> dict[str, Any]:
    spread = statistics.stdev(best) if len(best) > 1 else 0.0
    return {
        "best": [round(value, 5) for value in best],
        "median": round(statistics.median(best), 5),
        "mean": round(statistics.fmean(best), 5),
        "mean_regret": round(statistics.fmean(best) - least, 5),
        "standard_error": round(spread / len(best) ** 0.5, 5),
    }
