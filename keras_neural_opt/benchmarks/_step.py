"""What one optimizer step costs, against the best that users of each backend could take instead."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_neural_opt import optimizers
from keras_neural_opt._core.arguments import check_arguments, choice, integer
from keras_neural_opt.benchmarks._shapes import MODELS, parameters
from keras_neural_opt.benchmarks._timing import interleaved

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "clip": {"global_clipnorm": 1.0},
    "decay": {"weight_decay": 0.01},
    "ema": {"use_ema": True},
    "skip": {"nonfinite": "skip"},
}
_KERAS_HAS = ("plain", "clip", "decay", "ema")


def step(
    names: Sequence[str] = (),
    model: str = "resnet50",
    option: str = "plain",
    threads: int = 1,
    rounds: int = 15,
    seed: int = 0,
    advance: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Time one step of optimizers, interleaved with Keras' own and with torch's, pytorch_optimizer's or optax'.

    Args:
        names: Names that `optimizers.available()` lists; all of them by default.
        model: Whose variables: `"resnet50"`, `"transformer"`, `"mlp"` or `"many"` (160 small matrices).
        option: `"plain"`, `"clip"` (global norm), `"decay"` (decoupled), `"ema"` or `"skip"` (non-finite steps).
        threads: Threads on torch; the other backends take theirs from the environment.
        rounds: Timed rounds, after 7 untimed ones.
        seed: Of variables and gradients.
        advance: Called after each round, to show progress.

    Returns:
        A record: for each optimizer the times by library, and for each peer our median over its median.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt.benchmarks import step
        >>> record = step(["sgd"], model="mlp", rounds=1)
        >>> "ours" in record["results"][0]["times"]
        True
    """
    check_arguments(
        "step",
        model=choice(model, MODELS),
        option=choice(option, OPTIONS),
        threads=integer(threads, 1),
        rounds=integer(rounds, 1),
    )
    engine = importlib.import_module(f"keras_neural_opt.benchmarks._step_{keras.backend.backend()}")
    engine.set_threads(threads)
    shapes = MODELS[model]()
    rng = np.random.default_rng(seed)
    values = [rng.normal(scale=0.05, size=shape).astype("float32") for shape in shapes]
    gradients = [rng.normal(scale=0.01, size=shape).astype("float32") for shape in shapes]
    results = []
    for name in names or optimizers.available():
        cls = type(optimizers.get(name))
        candidates = {"ours": engine.keras_step(cls(1e-3, **OPTIONS[option]), values, gradients)}
        native = getattr(keras.optimizers, cls.__name__, None)
        if native and option in _KERAS_HAS:
            candidates["keras"] = engine.keras_step(native(1e-3, **OPTIONS[option]), values, gradients)
        candidates |= engine.peers(cls.__name__, option, values, gradients)
        times = interleaved(candidates, rounds, advance=advance)
        ours = times["ours"]["cpu_ms_median"]
        ratios = {peer: round(ours / t["cpu_ms_median"], 3) for peer, t in times.items() if peer != "ours"}
        results.append({"optimizer": cls.__name__, "times": times, "ours_over": ratios})
    return {
        "benchmark": "step",
        "model": model,
        "tensors": len(shapes),
        "parameters": parameters(shapes),
        "option": option,
        "threads": threads,
        "rounds": rounds,
        "seed": seed,
        "results": results,
    }
