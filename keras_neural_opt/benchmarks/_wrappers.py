"""What a wrapper adds to the time of a step, against the same wrapper of other libraries."""

import importlib
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_neural_opt import optimizers
from keras_neural_opt._core.arguments import check_arguments, choice, integer
from keras_neural_opt.benchmarks._shapes import MODELS, parameters, weights_and_gradients
from keras_neural_opt.benchmarks._threads import available_threads
from keras_neural_opt.benchmarks._timing import Samples, interleaved

RATE, PERIOD, WINDOW = 1e-3, 6, 4

# A wrapper around an optimizer, and how many calls of `apply` show all that it does.
_WRAPPERS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "Lookahead": (lambda inner: optimizers.Lookahead(inner, PERIOD), PERIOD),
    "ExponentialMovingAverage": (optimizers.ExponentialMovingAverage, 1),
    "StochasticWeightAveraging": (lambda inner: optimizers.StochasticWeightAveraging(inner, start_step=1), 1),
    "SWAG": (lambda inner: optimizers.SWAG(inner, start_step=1, period=WINDOW), WINDOW),
    "SwitchToSGD": (optimizers.SwitchToSGD, 1),
    "Cautious": (optimizers.Cautious, 1),
    "Grokfast": (optimizers.Grokfast, 1),
    "LayerwiseLearningRate": (lambda inner: optimizers.LayerwiseLearningRate(inner, {"[13579]$": 0.5}), 1),
    "GradientAccumulation": (lambda inner: optimizers.GradientAccumulation(inner, WINDOW), WINDOW),
}


def wrappers(
    names: Sequence[str] = (),
    model: str = "resnet50",
    rounds: int = 15,
    seed: int = 0,
    advance: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Time Adam with and without each wrapper, ours and other libraries', all in turn.

    Args:
        names: Which wrappers; all by default.
        model: Whose variables, as in `step`.
        rounds: Timed rounds, after 7 untimed ones.
        seed: Of variables and gradients.
        advance: Called after each round, to show progress.

    Returns:
        A record. For each wrapper and library: the median milliseconds of one call of `apply` without and with it, and
        what it adds, the median over the rounds of their difference. What accumulation adds is negative.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt.benchmarks import wrappers
        >>> record = wrappers(["Lookahead"], model="mlp", rounds=1)
        >>> "adds_ms" in record["results"][0]["ours"]
        True
    """
    check_arguments("wrappers", model=choice(model, MODELS), rounds=integer(rounds, 1))
    for name in names:
        choice(name, _WRAPPERS).check("wrappers", "names")
    backend = keras.backend.backend()
    engine = importlib.import_module(f"keras_neural_opt.benchmarks._step_{backend}")
    shapes = MODELS[model]()
    values, gradients = weights_and_gradients(shapes, seed)
    results = []
    for name in names or _WRAPPERS:
        wrap, calls = _WRAPPERS[name]
        inner = optimizers.AdamW if name == "Grokfast" else optimizers.Adam

        def ours(optimizer: Any) -> Any:
            return engine.keras_candidate(optimizer, "plain", values, gradients).step

        pairs = {"ours": (ours(inner(RATE)), ours(wrap(inner(RATE))))}
        if backend != "tensorflow":
            peers = importlib.import_module(f"keras_neural_opt.benchmarks._wrappers_{backend}")
            pairs |= peers.pairs(name, values, gradients)
        timed = {f"{who} {k}": _several(step, calls) for who, pair in pairs.items() for k, step in enumerate(pair)}
        samples = interleaved(timed, rounds, advance=advance)
        results.append({"wrapper": name, **{who: _figures(samples, who, calls) for who in pairs}})
    return {
        "benchmark": "wrappers",
        "model": model,
        "parameters": parameters(shapes),
        "threads": available_threads(),
        "rounds": rounds,
        "seed": seed,
        "results": results,
    }


def _several(step: Callable[[], None], calls: int) -> Callable[[], None]:
    def steps() -> None:
        for _ in range(calls):
            step()

    return steps


def _figures(samples: Samples, who: str, calls: int) -> dict[str, float]:
    bare, wrapped = (samples[f"{who} {k}"]["wall"] for k in (0, 1))
    figures = {
        "bare_ms": statistics.median(bare),
        "wrapped_ms": statistics.median(wrapped),
        "adds_ms": statistics.median(w - b for w, b in zip(wrapped, bare, strict=True)),
    }
    return {name: round(value / calls, 3) for name, value in figures.items()}
