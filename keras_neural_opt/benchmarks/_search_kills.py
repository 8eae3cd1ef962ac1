"""A fast search whose workers are killed at any moment: what is lost, and whom it delays."""

import itertools
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt.benchmarks._search_models import Bowl
from keras_neural_opt.hpo import OptunaOracle, OptunaTuner
from keras_neural_opt.hpo import _records as records

_SECONDS = 0.03


def tuner_in(
    folder: Path, hypermodel: Any, max_trials: int | None, storage: Any = None, space: Any = None, **options: Any
) -> OptunaTuner:
    """Return a tuner of a project in a folder that draws at random."""
    (folder / "notes").mkdir(exist_ok=True)
    # The seed is the oracle's alone: for the tuner's Keras would load every backend that is installed.
    oracle = OptunaOracle(None, max_trials, "random", hyperparameters=space, seed=1, storage=storage)
    return OptunaTuner(hypermodel, oracle=oracle, directory=folder, **options)


def light_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Start a process that is forked from one that has imported everything, and so begins at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=function, args=arguments, daemon=True)
    process.start()
    return process


def search_jointly(folder: Path, max_trials: int | None = None, storage: str | None = None) -> None:
    """Search with others in the folder; the target of a process."""
    tuner = tuner_in(folder, Bowl(folder / "notes", _SECONDS), max_trials, storage=storage)
    tuner.search(join=True, verbose=0)


def kill_workers(folder: Path, kills: int, seed: int = 1, workers: int = 2) -> dict[str, Any]:
    """Kill one of the workers again and again, and replace it.

    Args:
        folder: An empty folder.
        kills: How often.
        seed: Who and when.
        workers: How many search at a time.

    Returns:
        What was lost, and the longest time that a worker stood still.
    """
    rng, most = random.Random(seed), 0  # noqa: S311 - nothing secret
    tuner_in(folder, Bowl(folder / "notes"), None).oracle.study.trials  # noqa: B018 - opens the study
    team = [light_process(search_jointly, folder) for _ in range(workers)]
    _wait_until_they_run(folder, team)
    for _ in range(kills):
        time.sleep(rng.uniform(0.05, 0.5))
        place = rng.randrange(workers)
        _kill(team[place])
        most = max(most, len(_run_by(team[place].pid, folder)))
        team[place] = light_process(search_jointly, folder)
        _wait_until_they_run(folder, team)
    for process in team:
        _kill(process)
    return {"kills": kills, "workers": workers, "seed": seed, **_damage(folder, most)}


def _damage(folder: Path, most: int) -> dict[str, Any]:
    resumed = tuner_in(folder, Bowl(folder / "notes", _SECONDS), None)
    before = resumed.oracle.study.trials
    resumed.oracle.max_trials = sum(map(records.counts, before)) + 5
    resumed.search(verbose=0)
    trials = resumed.oracle.study.trials
    lost = {t.number for t in trials if not records.counts(t)}
    again = {number for t in trials for number in t.user_attrs.get(records.RERUN_OF, [])}
    gaps = [b[0] - a[1] for runs in Bowl(folder / "notes").runs().values() for a, b in itertools.pairwise(runs)]
    return {
        "trials": len(trials),
        "completed": sum(t.state == TrialState.COMPLETE for t in trials),
        "lost": len(lost),
        "lost_and_not_run_again": len(lost - again),
        "most_lost_at_once": most,
        "still_running": sum(t.state == TrialState.RUNNING for t in trials),
        "resumed": len(trials) > len(before),
        "longest_standstill_seconds": round(max(gaps), 3),
    }


def _run_by(pid: int, folder: Path) -> list[FrozenTrial]:
    """Read the journal anew, as a search that is resumed does, and return what a process that was killed ran."""
    trials = tuner_in(folder, Bowl(folder / "notes"), None).oracle.study.trials
    running = [t for t in trials if t.state == TrialState.RUNNING]
    return [t for t in running if t.user_attrs.get(records.OWNER, {}).get("pid") == pid]


def _wait_until_they_run(folder: Path, team: list[Any]) -> None:
    while not all((folder / "notes" / str(process.pid)).exists() for process in team):
        time.sleep(0.01)


def _kill(process: Any) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.join()
