"""What something adds to the time of a step, against the same thing of other libraries."""

import importlib
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from keras_neural_opt.benchmarks._shapes import MODELS, parameters, weights_and_gradients
from keras_neural_opt.benchmarks._threads import available_threads
from keras_neural_opt.benchmarks._timing import Samples, interleaved


@dataclass(frozen=True)
class Case:
    """An optimizer without and with something, and how many calls of `apply` show all that it does."""

    bare: Callable[[], Any]
    changed: Callable[[], Any]
    calls: int = 1


def added(
    kind: str,
    cases: Mapping[str, Case],
    model: str,
    rounds: int,
    seed: int,
    advance: Callable[[], Any] | None,
) -> dict[str, Any]:
    """Return the record of a benchmark of things of a `kind`, such as `"wrapper"`; the peers are in files so named."""
    backend = keras.backend.backend()
    engine = importlib.import_module(f"keras_neural_opt.benchmarks._step_{backend}")
    shapes = MODELS[model]()
    values, gradients = weights_and_gradients(shapes, seed)
    results = []
    for name, case in cases.items():

        def ours(optimizer: Any) -> Any:
            return engine.keras_candidate(optimizer, "plain", values, gradients).step

        pairs = {"ours": (ours(case.bare()), ours(case.changed()))}
        if backend != "tensorflow":
            peers = importlib.import_module(f"keras_neural_opt.benchmarks._{kind}s_{backend}")
            pairs |= peers.pairs(name, values, gradients)
        timed = {f"{who} {k}": _several(step, case.calls) for who, pair in pairs.items() for k, step in enumerate(pair)}
        samples = interleaved(timed, rounds, advance=advance)
        results.append({kind: name, **{who: _figures(samples, who, case.calls) for who in pairs}})
    return {
        "benchmark": f"{kind}s",
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
