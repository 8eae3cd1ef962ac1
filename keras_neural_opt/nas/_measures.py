"""What a network costs: weights, multiply-adds, memory and time, each known without a training."""

import math
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.arguments import check_arguments, integer
from keras_neural_opt.hpo._objectives import PARAMETERS
from keras_neural_opt.nas._count_flops import calls_of, count_flops
from keras_neural_opt.nas._flop_rules import Call

_WARM_UP = 5


def measure_latency(model: keras.Model, batch_size: int = 1, repeats: int = 30) -> float:
    """Return how long a prediction takes on this machine, in milliseconds.

    The median of many, after some that are not counted: the first ones compile.

    Args:
        model: A model that is built, with inputs of a known shape.
        batch_size: Examples that are predicted together, >= 1. Defaults to 1.
        repeats: How many predictions are timed, >= 1. Defaults to 30.

    Raises:
        ValueError: An argument breaks its rule, or the model's inputs have axes of unknown length.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
        >>> kno.nas.measure_latency(model, repeats=5) > 0.0
        True

    Note:
        It counts what `model.predict_on_batch` does, the way of the data to the model and back included. What else the
        machine does counts, too: compare measurements of a quiet one.
    """
    check_arguments("measure_latency", batch_size=integer(batch_size, 1), repeats=integer(repeats, 1))
    tensors = [_zeros(x, batch_size) for x in model.inputs]
    inputs = tensors if len(tensors) > 1 else tensors[0]
    for _ in range(_WARM_UP):
        model.predict_on_batch(inputs)
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        model.predict_on_batch(inputs)
        seconds.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(seconds)


def _zeros(tensor: Any, batch_size: int) -> np.ndarray[Any, Any]:
    if None in tensor.shape[1:]:
        raise ValueError(f"measure_latency.model must have inputs of a known shape; received {tensor.shape}")
    return np.zeros((batch_size, *tensor.shape[1:]), keras.backend.standardize_dtype(tensor.dtype))


def estimate_memory(model: keras.Model) -> float:
    """Return the memory that a prediction of one example needs, in megabytes: weights, and the largest layer's tensors.

    Args:
        model: A functional or Sequential model that is built.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((1000,)), keras.layers.Dense(500, use_bias=False)])
        >>> kno.nas.estimate_memory(model)
        2.006

    Note:
        A runtime may keep more at a time, such as what a residual connection needs later, or less, where it computes in
        place. A training needs several times as much.
    """
    weights = sum(math.prod(v.shape) * _bytes(v.dtype) for v in model.variables)
    return (weights + max(map(_tensors, calls_of(model)), default=0)) / 1e6


def _tensors(call: Call) -> int:
    dtype = getattr(call.layer, "compute_dtype", None) or keras.config.floatx()
    return _bytes(dtype) * sum(math.prod(n or 1 for n in shape) for shape in (*call.inputs, call.output))


def _bytes(dtype: Any) -> int:
    name = keras.backend.standardize_dtype(dtype)
    return 2 if name == "bfloat16" else int(np.dtype(name).itemsize)


MEASURES: dict[str, Callable[[Any], float]] = {
    PARAMETERS: lambda model: float(model.count_params()),
    "flops": lambda model: float(count_flops(model)),
    "memory_mb": estimate_memory,
    "latency_ms": measure_latency,
}


def measured(model: Any, names: Iterable[str]) -> dict[str, float]:
    """Return those measures of a model."""
    return {name: MEASURES[name](model) for name in names}
