"""Finds the largest batch that fits into the memory."""

import gc
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core import memory
from keras_neural_opt._core.arguments import check_arguments, integer, optional
from keras_neural_opt._core.backend import native
from keras_neural_opt.training._data import Data, is_dataset
from keras_neural_opt.training._epochs import count_epochs
from keras_neural_opt.training._untouched import check_trainable, copied, untouched

OWNER = "find_batch_size"
_LARGEST = 1 << 16
_STEPS_PER_EPOCH = 100  # for schedules in epochs, of which the first steps count only
# What a first step leaves behind, such as gradients, is there in the second.
_STEPS = 2


def find_batch_size(model: keras.Model, data: Any, minimum: int = 1, maximum: int | None = None) -> int:
    """Find the largest batch that can be trained on: it is doubled until the memory is out.

    Each size takes two steps. Afterwards the model, its optimizer and all random numbers are exactly as before: see
    `training.TrainingState`. A larger batch is faster and not better: `scale_learning_rate` says what it needs.

    On a processor, where a process that runs out of memory is killed, a size counts as too large when twice the memory
    that the last one took is not free. That is known on Linux, where `/proc` may be written to; elsewhere give a
    maximum.

    Args:
        model: A model that is built and compiled.
        data: What `fit` takes: `(x, y)`, `(x, y, sample_weight)`, or a dataset that is not used up by looking at it.
            A batch repeats the samples of its first where it has fewer.
        minimum: The first size, >= 1, which is doubled. Defaults to 1.
        maximum: The largest size, >= `minimum`. Defaults to the number of samples of arrays; for a dataset to 65536.

    Returns:
        The number of samples.

    Raises:
        ValueError: An argument breaks its rule. Nothing was trained then.
        MemoryError: Not even the first size fits.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(kno.optimizers.SGD(), "mse")
        >>> kno.find_batch_size(model, (np.zeros((100, 4)), np.zeros(100)), minimum=16)
        64
    """
    check_arguments(OWNER, minimum=integer(minimum, 1), maximum=optional(integer(maximum, minimum)))
    check_trainable(OWNER, model)
    Data(data, argument=f"{OWNER}.data")
    if isinstance(data, Iterator):
        raise ValueError(f"{OWNER}.data must not be used up by looking at it; received {data!r}")
    with untouched(model):
        samples = _samples(data)
        if maximum is None:
            maximum = max(minimum, _LARGEST if is_dataset(data) else len(keras.tree.flatten(samples)[0]))
        counting = copied(model.optimizer)
        if count_epochs(OWNER, counting, _STEPS_PER_EPOCH):
            model.optimizer = counting
        largest = _largest(model, samples, minimum, maximum)
    if not largest:
        raise MemoryError(f"{OWNER}: not even {minimum} fit; take a smaller minimum or a smaller model")
    return largest


def _largest(model: Any, samples: Any, minimum: int, maximum: int) -> int:
    """Return the largest size that fits, or 0."""
    largest, size, before = 0, minimum, memory.resident()
    while size <= maximum:
        measured = memory.reset_peak()
        if not _fits(model, samples, size):
            break
        largest, size = size, 2 * size
        taken, free = memory.peak() - before, memory.available()
        # What it took and did not give back, it can take again.
        if measured and free is not None and 2 * taken > free + memory.resident() - before:
            break
    return largest


def _samples(data: Any) -> tuple[Any, Any, Any]:
    """Return inputs, targets and weights of some samples, as NumPy has them."""
    batch = data
    if is_dataset(data):
        batch = next(iter([data[0]] if isinstance(data, keras.utils.PyDataset) else data), None)
        if batch is None:
            raise ValueError(f"{OWNER}.data must have a batch; received {data!r}")
    x, y, weights = keras.tree.map_structure(_as_numpy, keras.utils.unpack_x_y_sample_weight(batch))
    return x, y, weights


def _as_numpy(value: Any) -> Any:
    if value is None:
        return None
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)  # torch's, on any backend
    if not array.ndim:
        raise ValueError(f"{OWNER}.data must have dense arrays; received {type(value).__name__}")
    return array


def _fits(model: Any, samples: Any, size: int) -> bool:
    """Return whether the model can be trained on so many samples at once."""
    try:
        x, y, sample_weight = keras.tree.map_structure(lambda x: _repeated(x, size), samples)
        for _ in range(_STEPS):
            model.train_on_batch(x, y, sample_weight)
        int(model.optimizer.iterations)  # A step that runs on its own fails when it is waited for.
    except Exception as error:
        if not native.is_out_of_memory(error):
            raise
        return False
    finally:
        gc.collect()
        native.free_memory()
    return True


def _repeated(array: Any, size: int) -> Any:
    return None if array is None else np.take(array, np.arange(size) % len(array), axis=0)
