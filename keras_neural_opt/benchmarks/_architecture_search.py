"""What an architecture search finds on real images in a few minutes, next to a random search of the same time."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from keras_neural_opt._core.arguments import check_arguments, integer
from keras_neural_opt._core.branches import nothing
from keras_neural_opt.benchmarks._quiet_optuna import quiet_optuna
from keras_neural_opt.benchmarks._train_data import Data, data_folder, mnist

SEEDS = 3
STRATEGIES = ("auto", "random")


@dataclass(frozen=True)
class Protocol:
    """How long is searched, and how each network is trained.

    Args:
        seconds: Of a search.
        images: For training, drawn from the data set for each seed.
        judged: Images on which the search judges.
        epochs: Of each training.
        filters: Of the first stack of cells.
    """

    seconds: float = 300.0
    images: int = 1_000
    judged: int = 1_000
    epochs: int = 2
    filters: int = 8


PROTOCOL = Protocol()


def architecture_search(
    data: str | os.PathLike[str] | None = None, advance: Callable[[], Any] | None = None, seeds: int | None = None
) -> dict[str, Any]:
    """Search the cells of NAS-Bench-201 on MNIST with the default strategy and at random, equally long.

    Both train each network whole. The network that a search returns, with its weights, is judged on the test images,
    which no search sees.

    Args:
        data: The folder of data sets; by default what `KNO_DATA` says. Without one, Keras downloads the images.
        advance: Called after each search, to show progress.
        seeds: How many searches of each, >= 1; by default 3.

    Returns:
        A record: of each search the seconds after which its trials ended and their validation accuracies, the genotype
        that it returned, and the test accuracy of that network with its interval of 95 % (Wilson, 1927).

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt.benchmarks import architecture_search
        >>> record = architecture_search(seeds=1)  # doctest: +SKIP
    """
    if seeds is not None:
        check_arguments("architecture_search", seeds=integer(seeds, 1))
    loaded, results = mnist(data_folder(data)), []
    with quiet_optuna():
        for seed in range(seeds or SEEDS):
            for strategy in STRATEGIES:
                results.append({"strategy": strategy, "seed": seed, **_searched(loaded, strategy, seed)})
                (advance or nothing)()
    return {"benchmark": "architecture-search", "data": loaded.source, **asdict(PROTOCOL), "results": results}


def searches_of(seeds: int | None) -> int:
    """Return how many searches `architecture_search` makes."""
    return len(STRATEGIES) * (seeds or SEEDS)


def _searched(data: Data, strategy: str, seed: int) -> dict[str, Any]:
    from keras_neural_opt.nas import cell
    from keras_neural_opt.nas._search import search
    from keras_neural_opt.nas._settings import ArchitectureSearchConfig

    chosen = np.random.default_rng(seed).permutation(len(data.inputs))[: PROTOCOL.images + PROTOCOL.judged]
    train, judged = ((data.inputs[rows], data.labels[rows]) for rows in np.split(chosen, [PROTOCOL.images]))
    with tempfile.TemporaryDirectory() as folder:
        config = ArchitectureSearchConfig(
            cell(cells=1, filters=PROTOCOL.filters),
            strategy,
            performance_predictor="none",
            epochs=PROTOCOL.epochs,
            time_limit=PROTOCOL.seconds,
            seed=seed + 1,
            directory=folder,
            verbose=0,
        )
        result = search(train, judged, config)
        ended = [trial for trial in result.study.trials if trial.value is not None]
        begun = min(trial.datetime_start for trial in result.study.trials)
        right = _right(result.tuner.get_best_models(1)[0], data)
        genotype = result.best_architecture.genotype
    return {
        "ended_after": [round((trial.datetime_complete - begun).total_seconds(), 2) for trial in ended],
        "accuracies": [round(trial.value, 4) for trial in ended],
        "genotype": genotype,
        "test_accuracy": round(right / len(data.held_out_inputs), 4),
        "interval": [round(float(limit), 4) for limit in interval(right, len(data.held_out_inputs))],
    }


def interval(right: int, count: int) -> tuple[float, float]:
    """Return where, with 95 %, the true rate lies of what was right so often (Wilson, 1927)."""
    found = stats.binomtest(right, count).proportion_ci(0.95, "wilson")
    return found.low, found.high


def _right(model: Any, data: Data) -> int:
    predicted = model.predict(data.held_out_inputs, 1_000, verbose=0)
    return int(np.sum(np.argmax(predicted, -1) == data.held_out_labels))
