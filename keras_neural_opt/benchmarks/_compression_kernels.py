"""What compressors cost on one processor, next to a copy of the gradients."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_neural_opt import compression
from keras_neural_opt.benchmarks._timing import interleaved, ratios, summary
from keras_neural_opt.compression import _selection
from keras_neural_opt.compression._noise import uniform

_CODES = (
    compression.Cast(),
    compression.Int8(),
    compression.Int4(),
    compression.SignSGD(),
    compression.QSGD(),
    compression.TernGrad(),
)
_RATIO = 0.01
# A square of it has whole blocks of every code.
_SIDE = 32


def compression_kernels(
    elements: int = 25_000_000,
    rounds: int = 15,
    seed: int = 0,
    advance: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Time each compressor's own work on a vector, without any worker to send it to.

    Args:
        elements: The length of the vector of float32, which is rounded down to a square of a multiple of 32.
        rounds: Timed rounds, in each of which everything runs once.
        seed: Of the vector, of normal numbers.
        advance: Called after each round, to show progress.

    Returns:
        A record: the times of each kernel, and over those of two copies, which read and write once. One is a
        multiplication by the backend, whose result is in new memory, as that of a kernel; the other one is `warm`, into
        memory that NumPy has written before.

    Example:
        >>> import keras_neural_opt.benchmarks as benchmarks
        >>> benchmarks.compression_kernels(4096, rounds=1)["results"][0]["kernel"]  # doctest: +SKIP
        'Cast encode'
    """
    side = int(np.sqrt(elements)) // _SIDE * _SIDE or _SIDE
    x = ops.convert_to_tensor(np.random.default_rng(seed).standard_normal(side * side).astype("float32"))
    engine = importlib.import_module(f"keras_neural_opt.benchmarks._kernel_{keras.backend.backend()}")
    candidates = {name: engine.compiled(function, inputs) for name, (function, inputs) in _kernels(x, side).items()}
    source, target = (np.ones(side * side, "float32") for _ in range(2))
    candidates["warm copy"] = lambda: np.multiply(source, np.float32(1.0001), out=target)
    samples = interleaved(candidates, rounds, advance=advance)
    times = summary(samples)
    over = {name: ratios(samples, name) for name in candidates if name not in ("copy", "warm copy")}
    results = [
        {"kernel": name, "times": times[name], "over_copy": each["copy"], "over_warm_copy": each["warm copy"]}
        for name, each in over.items()
    ]
    return {
        "benchmark": "compression_kernels",
        "elements": side * side,
        "rounds": rounds,
        "seed": seed,
        "copy": times["copy"],
        "warm_copy": times["warm copy"],
        "results": results,
    }


def _kernels(x: Any, side: int) -> Mapping[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    """Return functions of tensors, and these, by what they do."""

    def draw(shape: tuple[int, ...]) -> Any:
        return uniform(shape, 0, 1)

    found: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {"copy": (lambda x: x * np.float32(1.0001), (x,))}
    for code in _CODES:
        name = type(code).__name__
        payload = _payload(code, x, draw)
        found[f"{name} encode"] = (lambda x, code=code: _payload(code, x, draw), (x,))
        found[f"{name} decode"] = (lambda *payload, code=code: code.decode(payload), payload)
    count = round(_RATIO * side * side)
    found["TopK sampled"] = (lambda x: _selection.sampled(x, count), (x,))
    found["TopK exact"] = (lambda x: _selection.exact(x, count), (x,))
    power, layout = compression.PowerSGD(4), compression.Layout(((side, side),))
    state = [
        ops.convert_to_tensor(kept.value() if kept.value else np.zeros(kept.shape)) for kept in power.state(layout)
    ]
    two = _Two()

    def power_sgd(x: Any, *state: Any) -> Any:
        reduced = power.reduce(x, layout, list(state), two, 0)
        return reduced.mean, reduced.lost(), *reduced.state

    found["PowerSGD rank 4, with its residual"] = (power_sgd, (x, *state))
    return found


def _payload(code: Any, x: Any, draw: Callable[..., Any]) -> tuple[Any, ...]:
    return tuple(code.encode(x[None], draw))


class _Two(compression.Transport):
    """Two workers with the same gradients, who need not send them."""

    size = 2

    def _sum(self, x: Any) -> Any:
        return 2 * x
