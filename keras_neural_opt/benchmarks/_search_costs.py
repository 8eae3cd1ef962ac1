"""What a search costs besides the trials: processor time of its records, and memory."""

import gc
import os
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_neural_opt.hpo import OptunaOracle, OptunaTuner

_HYPERPARAMETERS = [(f"x{i}", "uniform", 0.0, 1.0) for i in range(7)]


def bookkeeping(folder: Path, trials: int, reports: int = 20) -> dict[str, Any]:
    """Measure the processor time of a trial of seven hyperparameters, and of a report, with a journal.

    Args:
        folder: An empty folder.
        trials: How many there are in the end.
        reports: Of each of the trials that are measured.

    Returns:
        Milliseconds of the first trials and of the last ones; the sampler draws at random.
    """
    oracle = OptunaOracle(
        "val_loss", None, "random", hyperparameters=_HYPERPARAMETERS, seed=1, storage=folder / "journal"
    )
    first = _measured(oracle, reports)
    for _ in range(trials - 2 * len(first)):
        _trial(oracle, 1)
    return {
        "hyperparameters": len(_HYPERPARAMETERS),
        "trials": trials,
        "first": _summary(first),
        "last": _summary(_measured(oracle, reports)),
    }


def _measured(oracle: OptunaOracle, reports: int) -> list[tuple[float, float]]:
    return [_trial(oracle, reports) for _ in range(20)]


def _trial(oracle: OptunaOracle, reports: int) -> tuple[float, float]:
    """Return the processor seconds of a trial without its reports, and of one report."""
    start = time.process_time()
    trial = oracle.create_trial("here")
    begun = time.process_time()
    for epoch in range(reports):
        # Each better than the last, so that nothing is pruned.
        oracle.update_trial(trial.trial_id, {"loss": 1.0, "val_loss": 1.0 / (int(trial.trial_id) + epoch + 1)}, epoch)
    reported = time.process_time()
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    return begun - start + time.process_time() - reported, (reported - begun) / reports


def _summary(measured: list[tuple[float, float]]) -> dict[str, float]:
    trial, report = (1000 * np.median(column) for column in zip(*measured, strict=True))
    return {"cpu_ms_per_trial": round(float(trial), 2), "cpu_ms_per_report": round(float(report), 2)}


def memory(folder: Path, trials: int = 200, warm_up: int = 50) -> dict[str, Any]:
    """Measure how much this process grows by a trial of a small model that is trained.

    Args:
        folder: An empty folder.
        trials: How many.
        warm_up: How many before the first look.
    """
    x = np.linspace(-1.0, 1.0, 64).reshape(-1, 1)
    tuner = OptunaTuner(_network, "loss", warm_up, sampler="random", pruner=None, seed=1, directory=folder)
    sizes = []
    for until in range(warm_up, trials + 1, (trials - warm_up) // 3):
        tuner.oracle.max_trials = until
        tuner.search(x, 2 * x, epochs=1, verbose=0)
        gc.collect()
        sizes.append(_resident())
    return {
        "trials": trials,
        "warm_up": warm_up,
        "resident_mb": [round(size, 1) for size in sizes],
        "growth_mb_per_trial": round((sizes[-1] - sizes[0]) / (trials - warm_up), 4),
    }


def _network(hp: Any) -> Any:
    units = hp.Int("units", 8, 64)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
