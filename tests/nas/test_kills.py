"""Searches whose process is killed by the system, at a moment of which it says that it has come, and that go on."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import optuna
import pytest

import keras_neural_opt as kno
from keras_neural_opt.benchmarks._search_kills import light_process
from keras_neural_opt.hpo import OptunaOracle, _oracle
from keras_neural_opt.hpo._journal import open_storage
from tests.hpo.test_faults import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.backend_free]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4)).astype("float32")
Y = (X[:, 0] * X[:, 1] > 0).astype("int32")
# Strategies that begin with ten random trials have begun to guide the search when it is killed.
TRIALS, KILLED = 15, 12


def searched(folder: Path, **options: Any) -> Any:
    space = kno.nas.mlp([1, 2, 3], units=[4, 8, 16], activations="relu", dropout_rates=0.0, batch_norms=False)
    given = {"population_size": 3, "generations": TRIALS // 3, "epochs": 3, "performance_predictor": "none", **options}
    # The same callbacks in each: a training that was paused goes on with those that it was paused with.
    own = {"search_space": space, "seed": 1, "verbose": 0, "directory": folder, "callbacks": [Halts(folder)]}
    return kno.neural_architecture_search((X[:32], Y[:32]), (X[32:], Y[32:]), {**given, **own})


def wait_to_be_killed(folder: Path) -> None:
    (folder / "has_come").touch()
    while True:
        signal.pause()


class Halts(keras.callbacks.Callback):
    """Waits to be killed in the training of that number, after an epoch; elsewhere does nothing."""

    # Each trial has a copy of the callback.
    waits, begun = False, 0

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def on_train_begin(self, logs: Any = None) -> None:
        Halts.begun += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if Halts.waits and Halts.begun == KILLED:
            wait_to_be_killed(self.folder)


def in_training(folder: Path, options: dict[str, Any]) -> None:
    Halts.waits = True
    searched(folder, **options)


def halt_before(owner: Any, name: str, folder: Path) -> None:
    """Let the call of that number never come."""
    function, calls = getattr(owner, name), []

    def halting(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        if len(calls) == KILLED:
            wait_to_be_killed(folder)
        return function(*args, **kwargs)

    setattr(owner, name, halting)


def before_it_says_who_runs_the_trial(folder: Path, options: dict[str, Any]) -> None:
    halt_before(_oracle, "this_process", folder)
    searched(folder, **options)


def before_it_says_how_the_trial_ended(folder: Path, options: dict[str, Any]) -> None:
    halt_before(OptunaOracle, "end_trial", folder)
    searched(folder, **options)


def kill(moment: Callable[..., None], folder: Path, options: dict[str, Any]) -> Any:
    """Return the trials that a search in a process of its own left in its journal when it was killed."""
    folder.mkdir()
    process = light_process(moment, folder, options)
    wait_until(lambda: (folder / "has_come").exists() or not process.is_alive())
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    journal = open_storage(folder / "search" / "study.journal")
    return optuna.load_study(study_name="search", storage=journal).trials


def seen_of(result: Any) -> list[tuple[Any, ...]]:
    """Return what was proposed and what came of it, in order; what was lost is proposed again."""
    kept = [trial for trial in result.trials if trial.state != "lost"]
    return [(t.hyperparameters, t.state, t.values, t.history) for t in kept]


@pytest.mark.parametrize(
    ("moment", "strategy", "options"),
    [
        *((in_training, name, {}) for name in ("evolutionary", "random", "local", "nsga2", "bayesian_evolution")),
        (in_training, "evolutionary", {"performance_predictor": "early_stopping"}),
        (before_it_says_who_runs_the_trial, "evolutionary", {}),
        # Then its network has weights in a file already, which no other network may begin with.
        (before_it_says_how_the_trial_ended, "evolutionary", {"inherit_weights": True}),
    ],
)
def test_a_search_that_was_killed_proposes_what_it_would_have(
    moment: Callable[..., None], strategy: str, options: dict[str, Any], tmp_path: Path
) -> None:
    options = {"search_strategy": strategy, **options}
    whole = searched(tmp_path / "whole", **options)
    left = kill(moment, tmp_path / "killed", options)
    continued = searched(tmp_path / "killed", **options)
    assert seen_of(continued) == seen_of(whole)
    lost = [trial.number for trial in continued.trials if trial.state == "lost"]
    assert lost == [KILLED - 1] == [t.number for t in left if not t.state.is_finished()]
    ended = [(t.number, t.params, t.values, t.datetime_complete) for t in left if t.state.is_finished()]
    assert len(ended) == KILLED - 1
    assert ended == [(t.number, t.params, t.values, t.datetime_complete) for t in continued.study.trials[: KILLED - 1]]
