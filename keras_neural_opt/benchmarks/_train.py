"""How many steps, and how long, optimizers take to a target on real tasks, each tuned with the same budget."""

import math
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import keras

from keras_neural_opt._core.arguments import check_arguments, choice, flag, integer
from keras_neural_opt._core.branches import nothing
from keras_neural_opt.benchmarks._threads import available_threads
from keras_neural_opt.benchmarks._timing import interleaved
from keras_neural_opt.benchmarks._train_contestants import Contestant, contestants
from keras_neural_opt.benchmarks._train_data import data_folder
from keras_neural_opt.benchmarks._train_tasks import TASKS, Task

# Powers of ten around each middle rate, the middle first: a good one early lets later, worse runs be cut short.
_RATES = (0.0, -0.5, 0.5, -1.0, 1.0)
_RATES_IN_FULL = (0.0, -0.25, 0.25, -0.5, 0.5, -0.75, 0.75, -1.0, 1.0, -1.5, 1.5)
# By how much a step at the middle rate shrinks the weights.
_DECAYS = (1e-4,)
_DECAYS_IN_FULL = (1e-5, 1e-4, 1e-3)
_TUNING_SEED = 0
_TIMED_STEPS, _TIMED_ROUNDS = 5, 15


def train(
    task: str,
    names: Sequence[str] = (),
    seeds: int = 3,
    full: bool = False,
    data: str | os.PathLike[str] | None = None,
    advance: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Tune optimizers on a task, then train each with several seeds; on JAX.

    Every one gets 5 learning rates over two powers of ten around its usual one, and one weight decay at the best of
    them; the winner, which needs the fewest steps or else has the best last score, is trained with new seeds. The rate
    warms up over a tenth of the steps and falls along a cosine to 0; batches are drawn with replacement. Tuning and
    training are judged on the same held-out samples.

    Args:
        task: `"digits"`, `"mnist"`, `"cifar10"`, `"shakespeare"`, or without a target, for as many samples as
            three epochs have, `"mnist_batch_64"` and `"mnist_batch_4096"`.
        names: Names of our classes, such as `"RAdam"`, and `"Keras AdamW"`; all of them by default.
        seeds: How many runs of the winner, >= 1.
        full: Whether 11 rates over three powers of ten and 3 decays are tried.
        data: The folder of data sets; by default what `KNO_DATA` says. Without one, Keras downloads the images.
        advance: Called after each run, to show progress.

    Returns:
        A record. For each optimizer: what was tried, what won and whether its rate was the least or the largest; steps
        to the target (None if it was not reached) and last score of each seed, their medians, the median time of a step
        on both clocks, and the seconds to the target, which are the product.

    Raises:
        ValueError: An argument breaks its rule.
        FileNotFoundError: The data are not there.
        ModuleNotFoundError: scikit-learn, which has the digits, is not installed.
        RuntimeError: Keras does not run on JAX.

    Example:
        >>> from keras_neural_opt.benchmarks import train
        >>> record = train("digits", ["Adam"], seeds=1)  # doctest: +SKIP
    """
    everyone = contestants()
    check_arguments("train", task=choice(task, TASKS), seeds=integer(seeds, 1), full=flag(full))
    for name in names:
        choice(name, everyone).check("train", "names")
    if keras.backend.backend() != "jax":
        raise RuntimeError(f"the training benchmark runs on JAX only; Keras runs on {keras.backend.backend()}")
    chosen, folder = TASKS[task], data_folder(data)
    loaded = chosen.data(folder)
    # Here, for JAX need not be installed to import the package.
    from keras_neural_opt.benchmarks._train_jax import Trainer

    trainer = Trainer(chosen, loaded)
    results, winners = [], {}
    for name in names or everyone:
        row, winners[name] = _tuned(chosen, trainer, everyone[name], seeds, full, advance or nothing)
        results.append({"optimizer": name, **row})
    times = step_times(trainer, winners)
    return {
        "benchmark": "train",
        "task": task,
        "title": chosen.title,
        "data": loaded.source,
        "metric": chosen.metric,
        "target": chosen.target,
        "batch": chosen.batch,
        "steps": chosen.steps,
        "judged_every": chosen.every,
        "seeds": seeds,
        "full": full,
        "threads": available_threads(),
        "results": [with_time(row, times[row["optimizer"]]) for row in results],
    }


def step_times(trainer: Any, winners: Mapping[str, Callable[[], Any]]) -> dict[str, dict[str, float]]:
    """Return the median milliseconds of a step of training, forward and backward pass included, on both clocks.

    All take turns, once training is over: between two runs of it the machine may have become slower.
    """
    steps = {name: trainer.steps(make, _TIMED_STEPS) for name, make in winners.items()}
    return {
        name: {clock: round(statistics.median(times) / _TIMED_STEPS, 3) for clock, times in clocks.items()}
        for name, clocks in interleaved(steps, _TIMED_ROUNDS).items()
    }


def with_time(row: Mapping[str, Any], step_ms: Mapping[str, float]) -> dict[str, Any]:
    """Return a row of a record with the times of a step, and the seconds to the target, which follow from them."""
    steps = row["median_steps"]
    seconds = None if steps is None else round(steps * step_ms["wall"] / 1e3, 3)
    return {**row, "step_ms": step_ms, "seconds": seconds}


def runs_of(full: bool, seeds: int) -> int:
    """Return how many runs an optimizer gets."""
    return len(_RATES_IN_FULL if full else _RATES) + len(_DECAYS_IN_FULL if full else _DECAYS) + seeds


def _tuned(
    task: Task, trainer: Any, contestant: Contestant, seeds: int, full: bool, advance: Callable[[], Any]
) -> tuple[dict[str, Any], Callable[[], Any]]:
    """Return what tuning and training came to, and what makes the winner."""

    @cache
    def maker(decay: float) -> Callable[[], Any]:
        return lambda: contestant.make(contestant.rate, decay)

    def run(rate: float, decay: float, seed: int, longest: int) -> dict[str, Any]:
        scores = trainer.run(maker(decay), seed, rate, longest)
        advance()
        return {"learning_rate": rate, "weight_decay": decay, **_outcome(task, scores)}

    rates = [_rounded(contestant.rate * 10**power) for power in (_RATES_IN_FULL if full else _RATES)]
    decays = [_rounded(part / contestant.rate) for part in (_DECAYS_IN_FULL if full else _DECAYS)]
    trials: list[dict[str, Any]] = []

    def best() -> dict[str, Any]:
        return min(trials, key=lambda trial: _rank(task, trial))

    def tries(rate: float, decay: float) -> None:
        # Whoever has not arrived when the best so far had cannot win any more.
        longest = best()["steps"] if trials else None
        trials.append(run(rate, decay, _TUNING_SEED, longest or task.steps))

    for rate in rates:
        tries(rate, 0.0)
    tuned_rate = best()["learning_rate"]
    for decay in decays:
        tries(tuned_rate, decay)
    won = best()
    final = [run(won["learning_rate"], won["weight_decay"], 1 + seed, task.steps) for seed in range(seeds)]
    steps, scores = ([outcome[figure] for outcome in final] for figure in ("steps", "score"))
    row = {
        "learning_rate": won["learning_rate"],
        "weight_decay": won["weight_decay"],
        "rate_at_edge": won["learning_rate"] in (min(rates), max(rates)),
        "steps": steps,
        "median_steps": middle(steps),
        "scores": scores,
        "median_score": middle(scores, largest_is_best=task.metric == "accuracy"),
        "trials": trials,
    }
    return row, maker(won["weight_decay"])


def _outcome(task: Task, scores: Sequence[float]) -> dict[str, Any]:
    """Return after how many steps the target was reached, or None, and the last score, or None if it is not finite."""
    arrived = task.arrived(scores[-1])
    last = round(scores[-1], 4) if math.isfinite(scores[-1]) else None
    return {"steps": min(len(scores) * task.every, task.steps) if arrived else None, "score": last}


def middle(values: Sequence[float | None], largest_is_best: bool = False) -> float | None:
    """Return the median, of two the worse; None, which is worse than any, where it is one of them."""
    known = sorted((x for x in values if x is not None), reverse=largest_is_best)
    return known[len(values) // 2] if len(values) // 2 < len(known) else None


def _rank(task: Task, outcome: dict[str, Any]) -> tuple[float, float]:
    steps, score = outcome["steps"], outcome["score"]
    if score is None:
        return math.inf, math.inf
    return math.inf if steps is None else steps, -score if task.metric == "accuracy" else score


def _rounded(x: float) -> float:
    return float(f"{x:.3g}")
