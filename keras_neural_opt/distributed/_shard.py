"""Each worker's part of every batch."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import tree
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

from keras_neural_opt._core.arguments import check_arguments, flag, integer
from keras_neural_opt.distributed._engine import engine


def shard(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int = 32,
    shuffle: bool = True,
    class_weight: dict[int, float] | None = None,
    seed: int = 0,
) -> "ShardedData":
    """Return what `fit` and `evaluate` take for data, of which each worker trains on a part of its own.

    Every worker calls it with all of the data, on every engine alike. A batch is that of all workers together, and
    worker `w` of `N` gets the `w`-th of `N` equal parts of it, in every epoch of another order that all of them know:
    training is the same as that of one worker with the whole batch. So that parts are equal, at most `N - 1` samples
    are left out at an epoch's end; with another order these are others.

    Keras takes it as it is: `fit` looks at no `y`, `sample_weight`, `class_weight`, `batch_size` or `shuffle` of its
    own then. `predict` gives each worker the predictions of its own part, in this order; for all, give it the arrays.

    Args:
        x: Arrays, or a nest of them, such as a dictionary or a list, with a first axis of samples; floats become of
            Keras' float type. Or a `keras.utils.PyDataset` that gives batches of all workers: each worker reads them
            whole, in its main thread, and keeps its part, without the last samples of a batch that do not go round.
        y: Targets, of the same length. None with a dataset.
        sample_weight: A weight for each sample. None with a dataset.
        batch_size: Samples of a step, of all workers together: a multiple of their number, that of devices on JAX and
            TensorFlow. Defaults to 32; a dataset has its own.
        shuffle: Whether samples, or the batches of a dataset, come in another order in every epoch. `fit` itself
            shuffles none of it.
        class_weight: Weights for classes, as `fit` takes them. Defaults to None.
        seed: An integer >= 0 that decides the orders, the same on all workers. Defaults to 0.

    Returns:
        The data.

    Raises:
        ValueError: An argument breaks its rule, the arrays have other lengths, or there are fewer samples than workers.

    Example:
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> data = kno.distributed.shard(np.zeros((100, 4)), np.zeros(100), batch_size=32)
        >>> data.num_batches
        4
    """
    checked = check_arguments("shard", batch_size=integer(batch_size, 1), shuffle=flag(shuffle), seed=integer(seed, 0))
    workers = engine.workers()
    if isinstance(x, keras.utils.PyDataset):
        if y is not None or sample_weight is not None:
            raise ValueError("shard.y and shard.sample_weight must be None with a PyDataset, which gives them itself")
        return ShardedData(_Batches(x, workers), checked["shuffle"], checked["seed"], class_weight)
    if checked["batch_size"] % workers:
        raise ValueError(f"shard.batch_size must be a multiple of the {workers} workers; received {batch_size!r}")
    arrays = tree.map_structure(_array, tuple(part for part in (x, y, sample_weight) if part is not None))
    if y is None and sample_weight is not None:
        raise ValueError("shard.sample_weight must be None where there are no targets")
    source = _Samples(arrays, checked["batch_size"], workers)
    return ShardedData(source, checked["shuffle"], checked["seed"], class_weight)


def _array(given: Any) -> np.ndarray:
    array = np.asarray(given)
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


class _Samples:
    """Arrays, of which a batch has any rows."""

    def __init__(self, arrays: Any, batch_size: int, workers: int) -> None:
        lengths = {len(a) if a.ndim else 0 for a in tree.flatten(arrays)}
        if len(lengths) != 1:
            raise ValueError(
                f"shard needs arrays of the same number of samples, and takes a list for several arrays; received"
                f" {', '.join(map(str, sorted(lengths)))} samples"
            )
        (self.count,) = lengths
        self._arrays, self._size = arrays, batch_size
        self._usable = self.count - self.count % workers
        if not self._usable:
            raise ValueError(f"shard needs a sample for each of {workers} workers; received {self.count}")
        self.num_batches = -(-self._usable // batch_size)

    def part(self, order: np.ndarray, batch: int) -> Any:
        """Return this worker's part of a batch."""
        rows = order[: self._usable][batch * self._size : (batch + 1) * self._size]
        own = rows[_own_part(len(rows))]
        return tree.map_structure(lambda a: a[own], self._arrays)


class _Batches:
    """A dataset, of which each worker takes its part of every batch."""

    def __init__(self, dataset: keras.utils.PyDataset, workers: int) -> None:
        if dataset.num_batches is None:
            raise ValueError("shard.x must be a PyDataset that has an end; received one whose num_batches is None")
        self.count = self.num_batches = int(dataset.num_batches)
        self.dataset, self._workers = dataset, workers

    def part(self, order: np.ndarray, batch: int) -> Any:
        """Return this worker's part of a batch."""
        whole = self.dataset[int(order[batch])]
        if isinstance(whole, (tuple, list)):
            whole = tuple(part for part in whole if part is not None)
        rows = len(tree.flatten(whole)[0])
        usable = rows - rows % self._workers
        if not usable:
            raise ValueError(f"shard needs a sample for each of {self._workers} workers; a batch has {rows}")
        return tree.map_structure(lambda a: a[_own_part(usable)], whole)


def _own_part(rows: int) -> slice:
    """Return which of so many rows this process gives."""
    rank, size = engine.part()
    each = rows // size
    return slice(rank * each, (rank + 1) * each)


class ShardedData(PyDatasetAdapter):
    """What `shard` returns, for `fit` and `evaluate`.

    Example:
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> isinstance(kno.distributed.shard(np.zeros((8, 2)), batch_size=8), kno.distributed.ShardedData)
        True
    """

    # Keras' own adapter of a dataset would shuffle by Python's random numbers, which each worker has for itself.

    def __init__(
        self, source: _Samples | _Batches, shuffle: bool, seed: int, class_weight: dict[int, float] | None
    ) -> None:
        self._source, self._shuffles, self._seed, self._epoch = source, shuffle, seed, 0
        super().__init__(_AsDataset(self), class_weight=class_weight)

    def order(self) -> np.ndarray:
        """Return in which order samples or batches come in this epoch."""
        if not self._shuffles:
            return np.arange(self._source.count)
        return np.random.default_rng([self._seed, self._epoch]).permutation(self._source.count)

    def part(self, order: np.ndarray, batch: int) -> Any:
        """Return this worker's part of a batch."""
        return self._standardize_batch(self._source.part(order, batch))

    def _get_iterator(self) -> Iterator[Any]:
        order = self.order()  # once: `steps_per_epoch` may end an epoch within
        for batch in range(self._source.num_batches):
            yield self.part(order, batch)

    def on_epoch_end(self) -> None:
        """Go on to the next order."""
        super().on_epoch_end()
        self._epoch += 1


class _AsDataset(keras.utils.PyDataset):
    """The dataset that Keras' adapter asks for lengths and first batches."""

    def __init__(self, data: ShardedData) -> None:
        super().__init__()
        self._data, source = data, data._source
        self._inner = source.dataset if isinstance(source, _Batches) else None

    @property
    def num_batches(self) -> int:
        """How many batches an epoch has."""
        return self._data._source.num_batches

    def __getitem__(self, index: int) -> Any:
        """Return this worker's part of a batch."""
        return self._data.part(self._data.order(), index)

    def on_epoch_begin(self) -> None:
        """Tell the user's dataset."""
        if self._inner is not None:
            self._inner.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Tell the user's dataset."""
        if self._inner is not None:
            self._inner.on_epoch_end()
