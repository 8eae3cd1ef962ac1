"""How near the rate that a range test suggests comes to the best of a grid search, on real tasks."""

import math
import os
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keras_neural_opt import optimizers
from keras_neural_opt._core.arguments import check_arguments, choice, integer
from keras_neural_opt._core.branches import nothing
from keras_neural_opt.benchmarks._train_data import Data, data_folder
from keras_neural_opt.benchmarks._train_tasks import TASKS, Task
from keras_neural_opt.training import LearningRateRange, TrainingState, find_learning_rate

OPTIMIZERS: dict[str, Callable[[], Any]] = {"Adam": optimizers.Adam, "SGD": optimizers.SGD}
# Four to a power of ten.
GRID = [float(f"{10 ** (k / 4):.3g}") for k in range(-14, 5)]
_JUDGED = 5  # the last fifth of the steps


def range_test(
    task: str,
    seeds: int = 3,
    data: str | os.PathLike[str] | None = None,
    advance: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Compare what `find_learning_rate` suggests, in its defaults, with the best constant rate of a grid.

    Each seed has its own weights and batches, of which each rate gets the same. A rate is judged by the mean loss of
    the last fifth of its steps; the best is that of the least median over the seeds.

    Args:
        task: `"digits"`, `"mnist"`, `"cifar10"` or `"shakespeare"`.
        seeds: How many weights and orders of batches, >= 1.
        data: The folder of data sets; by default what `KNO_DATA` says. Without one, Keras downloads the images.
        advance: Called after each run, to show progress.

    Returns:
        A record. For each optimizer: the grid with the loss of each seed (None where it is not finite), the best rate,
        and for each seed what was suggested by each rule and over the best rate, and the curve of the test.

    Raises:
        ValueError: An argument breaks its rule.
        FileNotFoundError: The data are not there.
        ModuleNotFoundError: scikit-learn, which has the digits, is not installed.

    Example:
        >>> from keras_neural_opt.benchmarks import range_test
        >>> record = range_test("digits", seeds=1)  # doctest: +SKIP
    """
    check_arguments("range_test", task=choice(task, TASKS), seeds=integer(seeds, 1))
    chosen = TASKS[task]
    loaded = chosen.data(data_folder(data))
    results = []
    for name, make in OPTIMIZERS.items():
        runs = [_run(chosen, loaded, make, seed, advance or nothing) for seed in range(seeds)]
        results.append({"optimizer": name, **_judged([found for found, _ in runs], [losses for _, losses in runs])})
    return {
        "benchmark": "range_test",
        "task": task,
        "title": chosen.title,
        "data": loaded.source,
        "batch": chosen.batch,
        "steps": chosen.steps,
        "seeds": seeds,
        "results": results,
    }


def runs_of(seeds: int) -> int:
    """Return how many runs `range_test` makes."""
    return len(OPTIMIZERS) * seeds * (len(GRID) + 1)


def _run(
    task: Task, data: Data, make: Callable[[], Any], seed: int, advance: Callable[[], Any]
) -> tuple[LearningRateRange, dict[float, float]]:
    """Return what the test found, and the loss that each rate of the grid came to."""
    keras.utils.set_random_seed(seed)
    x, y = _drawn(task, data, seed)
    model = task.model()
    model.compile(make(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    found = find_learning_rate(model, (x, y), batch_size=task.batch)
    advance()
    # It builds what would be built, and compiled with, anew for each rate.
    model.evaluate(x[: task.batch], y[: task.batch], verbose=0)
    begin, losses = TrainingState.capture(model), {}
    judged = task.steps // _JUDGED * task.batch
    for rate in GRID:
        begin.restore(model)
        model.optimizer.learning_rate = rate
        for part in (slice(None, -judged), slice(-judged, None)):
            history = model.fit(x[part], y[part], task.batch, shuffle=False, verbose=0).history
        losses[rate] = float(history["loss"][-1])
        advance()
    return found, losses


def _drawn(task: Task, data: Data, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples of all steps."""
    context = task.context or 0
    chosen = np.random.default_rng(seed).integers(len(data.inputs) - context, size=task.steps * task.batch)
    if not context:
        return data.inputs[chosen], data.labels[chosen]
    text = data.inputs[chosen[:, None] + np.arange(context + 1)]
    return text[:, :-1], text[:, 1:]


def _judged(found: list[LearningRateRange], losses: list[Mapping[float, float]]) -> dict[str, Any]:
    grid = {rate: [each[rate] for each in losses] for rate in losses[0]}
    best = min(grid, key=lambda rate: statistics.median(x if math.isfinite(x) else math.inf for x in grid[rate]))
    return {
        "best": best,
        "grid": [
            {"rate": rate, "losses": [round(x, 4) if math.isfinite(x) else None for x in values]}
            for rate, values in grid.items()
        ],
        "suggestions": [{rule: _rounded(rate) for rule, rate in each.suggestions.items()} for each in found],
        "over_best": [round(each.suggestion / best, 3) for each in found],
        "curves": [
            {"rates": [_rounded(x) for x in each.rates], "losses": [_rounded(x) for x in each.losses]} for each in found
        ],
    }


def _rounded(x: float) -> float:
    return float(f"{x:.4g}")
