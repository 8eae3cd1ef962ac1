"""What kind of data the user gave, and whether it can be trained on."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

import keras
from keras.src.trainers.data_adapters.data_adapter import DataAdapter


@dataclass(frozen=True)
class Data:
    """What to train on, and what to validate on or None; checked when made, and called `argument` in errors.

    Raises:
        ValueError: It is nothing that `fit` takes.
    """

    training: Any
    validation: Any = None
    argument: str = "train_neural_network.training_data"

    def __post_init__(self) -> None:
        check_data(self.training, self.argument)
        if self.validation is not None:
            check_data(self.validation, "train_neural_network.validation_data")


def is_dataset(data: Any) -> bool:
    """Whether `data` makes its own batches: PyDataset, tf.data, torch DataLoader, generator or Keras' own adapter."""
    makes_batches = isinstance(data, (keras.utils.PyDataset, Iterator, DataAdapter))
    return makes_batches or hasattr(data, "element_spec") or _is_torch_loader(data)


def check_data(data: Any, argument: str) -> None:
    """Raise `ValueError` unless `data` is a dataset or holds arrays of one length, above 0."""
    if is_dataset(data):
        if isinstance(data, Iterator) and not isinstance(data, GeneratorType):
            raise ValueError(f"{argument} must be a generator where it is an iterator; received {data!r}")
        return
    arrays = keras.tree.flatten(data)
    if not arrays or not all(getattr(array, "shape", ()) for array in arrays):
        raise ValueError(
            f"{argument} must be a dataset, an array, or tuples, lists and dictionaries of arrays;"
            f" received {type(data).__name__}"
        )
    lengths = [int(array.shape[0]) for array in arrays]
    if len(set(lengths)) > 1 or lengths[0] == 0:
        raise ValueError(
            f"{argument} must have arrays of one length, above 0; received lengths {', '.join(map(str, lengths))}"
        )


def count_batches(data: Any, batch_size: int) -> int | None:
    """Return the number of batches in an epoch, or None where the dataset does not know it."""
    if not is_dataset(data):
        samples = int(keras.tree.flatten(data)[0].shape[0])
        return -(-samples // batch_size)
    if isinstance(data, (keras.utils.PyDataset, DataAdapter)):
        return data.num_batches
    if hasattr(data, "cardinality"):
        return int(data.cardinality()) if int(data.cardinality()) > 0 else None
    try:
        return len(data)
    except TypeError:  # A generator, or a DataLoader over a stream.
        return None


def samples_a_batch(data: Any) -> int | None:
    """Return the samples of a dataset's batches, or None where only reading it would tell, or it makes none."""
    if isinstance(data, keras.utils.PyDataset):
        size = keras.tree.flatten(data[0])[0].shape[0]
    elif hasattr(data, "element_spec"):
        shape = keras.tree.flatten(data.element_spec)[0].shape
        size = shape[0] if shape.rank else None
    else:
        size = getattr(data, "batch_size", None)
    return None if size is None else int(size)


def fit_arguments(data: Any, batch_size: int, shuffle: bool) -> dict[str, Any]:
    """Return the arguments of `fit` that hand over the training data."""
    if is_dataset(data):
        # Of the datasets only PyDataset can be shuffled from outside; Keras warns about the others.
        return {"x": data, "shuffle": shuffle and isinstance(data, keras.utils.PyDataset)}
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    return {"x": x, "y": y, "sample_weight": sample_weight, "batch_size": batch_size, "shuffle": shuffle}


def _is_torch_loader(data: Any) -> bool:
    return any(base.__module__.startswith("torch.utils.data") for base in type(data).__mro__)
