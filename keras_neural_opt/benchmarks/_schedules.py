"""What a schedule, and a callback that reads it, add to an epoch of `model.fit`."""

from collections.abc import Callable
from typing import Any

from keras_neural_opt import callbacks, optimizers
from keras_neural_opt import schedules as s
from keras_neural_opt._core.arguments import check_arguments, integer
from keras_neural_opt.benchmarks._fit import BATCH, Epoch
from keras_neural_opt.benchmarks._threads import available_threads
from keras_neural_opt.benchmarks._timing import interleaved, ratios, summary

_RATE, _STEPS = 1e-3, 10_000
# The second is as the first: what two measurements of the same thing differ by.
_CONSTANT, _AGAIN = "constant", "constant, again"


def schedules(rounds: int = 15, seed: int = 0, advance: Callable[[], Any] | None = None) -> dict[str, Any]:
    """Time an epoch of a small network, in turn with a constant rate and with schedules.

    Args:
        rounds: Timed epochs of each, after 7 untimed ones.
        seed: Of the weights.
        advance: Called after each round, to show progress.

    Returns:
        A record: for each schedule its time, that of the constant rate, and the median of their ratio over the rounds.

    Raises:
        ValueError: An argument breaks its rule.
        ModuleNotFoundError: scikit-learn, which has the digits, is not installed.

    Example:
        >>> from keras_neural_opt.benchmarks import schedules
        >>> record = schedules(rounds=15)  # doctest: +SKIP
    """
    check_arguments("schedules", rounds=integer(rounds, 1))
    epochs = {name: Epoch(optimizer, seed, called) for name, (optimizer, called) in _candidates().items()}
    samples = interleaved(epochs, rounds, advance=advance)
    return {
        "benchmark": "schedules",
        "threads": available_threads(),
        "rounds": rounds,
        "seed": seed,
        "steps": -(-len(epochs[_CONSTANT].images) // BATCH),
        "results": [_row(samples, name) for name in epochs if name != _CONSTANT],
    }


def _candidates() -> dict[str, tuple[Any, list[Any]]]:
    """Return an optimizer and callbacks for each."""
    adam = optimizers.Adam
    return {
        _CONSTANT: (adam(_RATE), []),
        _AGAIN: (adam(_RATE), []),
        "Warmup, CosineAnnealing": (adam(s.Warmup(s.CosineAnnealing(_RATE, _STEPS), 500)), []),
        "CosineAnnealingWarmRestarts": (adam(s.CosineAnnealingWarmRestarts(_RATE, 100, t_mul=2)), []),
        "Join of three": (adam(s.Join([_RATE, s.LinearDecay(_RATE, _STEPS), 1e-4], [_STEPS, 3 * _STEPS])), []),
        "OneCycle, OneCycleMomentum": (adam(s.OneCycle(_RATE, _STEPS), beta_1=s.OneCycleMomentum(_STEPS)), []),
        "ReduceOnPlateau": (adam(_RATE), [callbacks.ReduceOnPlateau(monitor="loss")]),
        "LogHyperparameters": (adam(_RATE), [callbacks.LogHyperparameters()]),
    }


def _row(samples: Any, name: str) -> dict[str, Any]:
    both = {"ours": samples[name], _CONSTANT: samples[_CONSTANT]}
    return {"schedule": name, "times": summary(both), "ours_over": ratios(both, "ours")}
