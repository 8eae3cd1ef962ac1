"""What one optimizer step costs, against the best that users of each backend could take instead."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_neural_opt import optimizers
from keras_neural_opt._core.arguments import check_arguments, choice, integer
from keras_neural_opt.benchmarks._bandwidth import bandwidth
from keras_neural_opt.benchmarks._candidate import Candidate, Maker
from keras_neural_opt.benchmarks._memory import peak_megabytes
from keras_neural_opt.benchmarks._options import OPTIONS, keras_own, ours
from keras_neural_opt.benchmarks._own_rules import OWN_RULES
from keras_neural_opt.benchmarks._shapes import MODELS, parameters, weights_and_gradients
from keras_neural_opt.benchmarks._threads import available_threads
from keras_neural_opt.benchmarks._timing import interleaved, ratios, summary, timed

_OURS, _LIMIT = "ours", "bandwidth limit"


def step(
    names: Sequence[str] = (),
    model: str = "resnet50",
    option: str = "plain",
    rounds: int = 15,
    seed: int = 0,
    device: str = "cpu",
    advance: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Time one step of optimizers, interleaved with Keras' own, torch's, pytorch_optimizer's and optax'.

    The threads are those that the process may use: start it with `taskset`, or through the command, for fewer.

    Args:
        names: Names that `optimizers.available()` lists, `"AdamByPrimitives"` and `"AdamByOperators"` (Adam as a user
            writes it); all of them by default.
        model: Whose variables: `"resnet50"`, `"transformer"`, `"mlp"` or `"many"` (160 small matrices).
        option: `"plain"`, `"clip"` (global norm), `"decay"` (decoupled), `"ema"`, `"accumulation"` (of 4, timed
            together), `"skip"` (non-finite steps), `"mixed precision"` (inside `LossScaleOptimizer`) or `"compile"`
            (`compile_update=True`).
        rounds: Timed rounds, after 7 untimed ones.
        seed: Of variables and gradients.
        device: `"cpu"` or `"gpu"`.
        advance: Called after each round, to show progress.

    Returns:
        A record. For each optimizer, by library: the times of a step; our time over each peer's, the median over the
        rounds; the time of the first step with tracing and compilation, and of one before it on three elements, which
        loads what a library loads when it is first used; bytes of state a parameter; and by how many megabytes the
        resident memory rises in a step.

    Raises:
        ValueError: An argument breaks its rule.
        RuntimeError: There is no such device.

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
        rounds=integer(rounds, 1),
        device=choice(device, ("cpu", "gpu")),
    )
    engine = importlib.import_module(f"keras_neural_opt.benchmarks._step_{keras.backend.backend()}")
    if device == "gpu" and not engine.has_gpu():
        raise RuntimeError(f"the backend {keras.backend.backend()} finds no GPU")
    shapes = MODELS[model]()
    values, gradients = weights_and_gradients(shapes, seed)
    with keras.device(device):
        results = [
            _measured(cls, engine, option, values, gradients, rounds, device, advance)
            for cls in (_class(name) for name in names or [*optimizers.available(), *OWN_RULES])
        ]
    where = {"model": model, "option": option, "tensors": len(shapes), "parameters": parameters(shapes)}
    return {
        "benchmark": "step",
        "device": engine.device_name(device),
        "threads": available_threads(),
        "rounds": rounds,
        "seed": seed,
        "results": [{**where, **result} for result in results],
    }


def _class(name: str) -> type:
    return OWN_RULES.get(name) or type(optimizers.get(name))


def _measured(
    cls: type,
    engine: Any,
    option: str,
    values: Sequence[np.ndarray],
    gradients: Sequence[np.ndarray],
    rounds: int,
    device: str,
    advance: Callable[[], Any] | None,
) -> dict[str, Any]:
    # What a library loads when it is first used is not the first step's.
    small = [np.ones(3, "float32")]
    loading = {library: maker() for library, maker in _makers(cls, engine, option, small, small).items()}
    candidates = {library: maker() for library, maker in _makers(cls, engine, option, values, gradients).items()}
    with engine.without_caches():
        first_use, first = _first_steps(loading), _first_steps(candidates)
    count = sum(value.size for value in values)
    state = {library: round(candidate.state_bytes() / count, 3) for library, candidate in candidates.items()}
    peak = {library: peak_megabytes(candidate.step) for library, candidate in candidates.items()}
    if device == "cpu" and option == "plain":
        candidates[_LIMIT] = bandwidth(count, round(state[_OURS] / 4), available_threads())
    samples = interleaved({library: c.step for library, c in candidates.items()}, rounds, advance=advance)
    return {
        "optimizer": cls.__name__,
        "times": summary(samples),
        "ours_over": ratios(samples, _OURS),
        "first_use_ms": first_use,
        "first_step_ms": first,
        "state_bytes_per_parameter": state,
        "peak_step_megabytes": peak,
    }


def _first_steps(candidates: dict[str, Candidate]) -> dict[str, dict[str, float]]:
    spent = {library: timed(candidate.step) for library, candidate in candidates.items()}
    return {library: {clock: round(ms, 1) for clock, ms in clocks.items()} for library, clocks in spent.items()}


def _makers(
    cls: type, engine: Any, option: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]
) -> dict[str, Maker]:
    name = "Adam" if cls.__name__ in OWN_RULES else cls.__name__
    makers: dict[str, Maker] = {_OURS: lambda: engine.keras_candidate(ours(cls, option), option, values, gradients)}
    native = getattr(keras.optimizers, name, None)
    if native is not None:
        makers["keras"] = lambda: engine.keras_candidate(keras_own(native, option), option, values, gradients)
    peers: dict[str, Maker] = engine.peers(name, option, values, gradients)
    return makers | peers
