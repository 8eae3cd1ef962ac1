"""What architecture searches find, where each training of a network comes to another accuracy."""

import itertools
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_neural_opt._core.arguments import check_arguments, choice, integer
from keras_neural_opt._core.branches import nothing
from keras_neural_opt.benchmarks._architecture_problems import Chain, Macro, Problem, Stages
from keras_neural_opt.benchmarks._quiet_optuna import quiet_optuna
from keras_neural_opt.benchmarks._train_data import data_folder
from keras_neural_opt.nas import recommended
from keras_neural_opt.nas._hypervolume import hypervolume
from keras_neural_opt.nas._strategies import STRATEGIES

QUERIES = (50, 100, 200)
SEARCHES = {"macro": 100, "chain": 20, "stages": 20}
# `one_shot` needs weights that networks share, of which a table has none.
OURS = tuple(name for name in STRATEGIES if name not in ("auto", "one_shot"))
ONE = (*OURS, "TPESampler")
TWO = (*OURS, "TPESampler", "NSGAIISampler")
FRONTS, FRONT_QUERIES = 30, 100
# Error in percent and millions of operations: what is worse than either does not count. 106 is more than any network's.
REFERENCE = (20.0, 106.0)
_COST_REPEATS = 5


def architectures(
    names: Sequence[str] = (),
    data: str | os.PathLike[str] | None = None,
    advance: Callable[[], Any] | None = None,
    seeds: int | None = None,
) -> dict[str, Any]:
    """Compare strategies on NAS-Bench-Macro and on two functions whose optimum is known, in their defaults.

    A query of a network returns the accuracy of one of its trainings, drawn anew by the seed of the search. The regret
    is that of the mean accuracy of what the search returns: the network with the best accuracy that was observed, and
    besides the one that `recommended` names.

    Args:
        names: Which strategies; all by default: ours by name, and Optuna's TPE and NSGA-II.
        data: The folder of data sets, with the table of NAS-Bench-Macro; by default what `KNO_DATA` says.
        advance: Called after each search, to show progress.
        seeds: How many searches of each, >= 1; by default 100 of the table, 30 of two objectives, 20 of the functions.

    Returns:
        A record. Of each problem and strategy the mean regret after 50, 100 and 200 queries, with its standard error;
        of each strategy the hypervolumes of error and operations after 100 queries, one a seed; and the processor
        seconds of one proposal after 200 trials.

    Raises:
        ValueError: An argument breaks its rule.
        FileNotFoundError: The table is not there.

    Example:
        >>> from keras_neural_opt.benchmarks import architectures
        >>> record = architectures(["random"], seeds=1)  # doctest: +SKIP
    """
    for name in names:
        check_arguments("architectures", names=choice(name, TWO))
    if seeds is not None:
        check_arguments("architectures", seeds=integer(seeds, 1))
    macro, then = Macro(data_folder(data)), advance or nothing
    with quiet_optuna():
        return {
            "benchmark": "architectures",
            "results": [
                {"problem": problem, "strategy": name, **_searched(problem, macro, name, seeds or searches, then)}
                for problem, searches in SEARCHES.items()
                for name in _among(names, ONE)
            ],
            "two_objectives": {
                "queries": FRONT_QUERIES,
                "reference": REFERENCE,
                "hypervolumes": {name: _fronts(macro, name, seeds or FRONTS, then) for name in _among(names, TWO)},
            },
            "cpu_seconds_of_a_proposal": [
                {"problem": problem, "strategy": name, "seconds": round(_cost(problem_of(problem, macro, 0), name), 4)}
                for problem in ("macro", "stages")
                for name in _among(names, ONE)
            ],
        }


def searches_of(names: Sequence[str], seeds: int | None) -> int:
    """Return how many searches `architectures` makes."""
    one = sum(seeds or searches for searches in SEARCHES.values()) * len(_among(names, ONE))
    return one + (seeds or FRONTS) * len(_among(names, TWO))


def _among(names: Sequence[str], all_of_them: Sequence[str]) -> list[str]:
    return [name for name in all_of_them if not names or name in names]


def sampler_of(name: str, space: Any, seed: int) -> Any:
    """Return a strategy in its defaults."""
    import optuna

    return STRATEGIES[name](space, seed) if name in STRATEGIES else getattr(optuna.samplers, name)(seed=seed)


def problem_of(name: str, macro: Macro, seed: int) -> Problem:
    """Return the problem of a search: the functions are others for each seed, the table is always the same."""
    made: dict[str, Problem] = {"macro": macro, "chain": Chain(seed), "stages": Stages(seed)}
    return made[name]


def _searched(problem: str, macro: Macro, name: str, seeds: int, then: Callable[[], Any]) -> dict[str, Any]:
    regrets = []
    for seed in range(seeds):
        regrets.append(_regrets(problem_of(problem, macro, seed), name, seed))
        then()
    return judged(regrets)


def judged(regrets: Sequence[Sequence[Sequence[float]]]) -> dict[str, Any]:
    """Return means and standard errors of what searches came to, each as `_regrets` returns it."""
    seeds, table = len(regrets), np.array(regrets)
    error = table.std(0, ddof=1) / seeds**0.5 if seeds > 1 else np.zeros(table.shape[1:])
    return {
        "searches": seeds,
        **{
            returned: {
                str(count): {"mean": round(float(mean), 4), "standard_error": round(float(of_mean), 4)}
                for count, mean, of_mean in zip(QUERIES, table.mean(0)[:, i], error[:, i], strict=True)
            }
            for i, returned in enumerate(("best_observed", "recommended"))
        },
    }


def _regrets(problem: Problem, name: str, seed: int) -> list[list[float]]:
    """Return, after each number of queries, the regret of the best observed network and of the recommended one."""
    import optuna

    rng = np.random.default_rng([seed, 0])
    study = optuna.create_study(direction="maximize", sampler=sampler_of(name, problem.space, seed))
    regrets = []
    for before, count in itertools.pairwise((0, *QUERIES)):
        study.optimize(lambda trial: problem.trained(suggested(trial, problem.space), rng), n_trials=count - before)
        returned = (study.best_params, recommended(study, problem.space))
        regrets.append([problem.best - problem.mean(genotype) for genotype in returned])
    return regrets


def suggested(trial: Any, space: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """Return the genotype that a trial of Optuna draws."""
    genotype: dict[str, Any] = {}
    for name, kind, *values in space:
        conditions = values.pop()["when"] if isinstance(values[-1], Mapping) else None
        if conditions is None or genotype.get(conditions[0]) in conditions[1]:
            suggest = trial.suggest_int if kind == "int" else trial.suggest_categorical
            genotype[name] = suggest(name, *values)
    return genotype


def _fronts(problem: Problem, name: str, seeds: int, then: Callable[[], Any]) -> list[float]:
    found = []
    for seed in range(seeds):
        found.append(round(_front(problem, name, seed), 2))
        then()
    return found


def _front(problem: Problem, name: str, seed: int) -> float:
    """Return the hypervolume of the mean errors and the costs of the networks that a search returns."""
    import optuna

    rng = np.random.default_rng([seed, 0])
    sampler = sampler_of(name, problem.space, seed)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)

    def error_and_cost(trial: Any) -> tuple[float, float]:
        genotype = suggested(trial, problem.space)
        return 100.0 - problem.trained(genotype, rng), problem.cost(genotype)

    study.optimize(error_and_cost, n_trials=FRONT_QUERIES)
    front = [(100.0 - problem.mean(trial.params), problem.cost(trial.params)) for trial in study.best_trials]
    return hypervolume(np.array(front), np.array(REFERENCE))


def _cost(problem: Problem, name: str) -> float:
    """Return the processor seconds of a proposal after 200 trials drawn at random."""
    import optuna

    rng = np.random.default_rng(0)
    study = optuna.create_study(direction="maximize", sampler=sampler_of("random", problem.space, 0))
    study.optimize(lambda trial: problem.trained(suggested(trial, problem.space), rng), n_trials=QUERIES[-1])
    study.sampler, seconds = sampler_of(name, problem.space, 1), []
    for _ in range(_COST_REPEATS):
        begin = time.process_time()
        trial = study.ask()
        genotype = suggested(trial, problem.space)
        seconds.append(time.process_time() - begin)
        study.tell(trial, problem.trained(genotype, rng))
    return statistics.median(seconds)
