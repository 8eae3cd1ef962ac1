"""What networks must take in and give out, and what they are trained for, as the data say."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_neural_opt.training._data import Data, is_dataset

_OWNER = "neural_architecture_search"
_INFINITE = -1  # tf.data.INFINITE_CARDINALITY


@dataclass(frozen=True)
class Task:
    """What a network is for.

    Args:
        input_shape: Of one example.
        outputs: How many numbers the network gives out.
        activation: Of these, or None.
        loss: What it is trained with.
        metrics: What is measured besides.
        objective: What is searched for.

    Example:
        >>> import keras_neural_opt as kno
        >>> task = kno.nas.Task((28, 28, 1), 10, None, "sparse_categorical_crossentropy", [], "val_loss")
        >>> task.outputs
        10
    """

    input_shape: tuple[int, ...]
    outputs: int
    activation: str | None
    loss: Any
    metrics: list[Any]
    objective: Any


def task_of(data: Data, classes: int | None = None) -> Task:
    """Return the task that the data's labels make likely.

    Integers, in one column, are classes; rows of zeros and a single one are, too; other rows of zeros and ones are
    classes of which several may hold; all else is a regression.

    Args:
        data: Training and validation data.
        classes: How many, where the labels are integers. None: the largest label tells.

    Raises:
        ValueError: There are no labels, or the inputs are not one tensor, or reading the labels would use the data up.
    """
    x, y = example(data.training)
    if y is None:
        raise ValueError(f"{_OWNER}.training_data must have labels; received {_kind(data.training)} of inputs alone")
    if len(keras.tree.flatten(x)) > 1 or len(keras.tree.flatten(y)) > 1:
        raise ValueError(
            f"{_OWNER}.training_data must have one tensor of inputs and one of labels; received"
            f" {len(keras.tree.flatten(x))} and {len(keras.tree.flatten(y))}. Search with hyperparameter_optimization,"
            " whose function builds any model"
        )
    shape = tuple(int(n) for n in x.shape[1:])
    labels = np.asarray(keras.ops.convert_to_numpy(y))
    if labels.dtype.kind in "iub" and (labels.ndim == 1 or labels.shape[1:] == (1,)):
        count = _classes(data) if classes is None else classes
        return Task(shape, count, "softmax", "sparse_categorical_crossentropy", ["accuracy"], "val_accuracy")
    width = int(np.prod(labels.shape[1:], dtype=int))
    if labels.ndim == 2 and width > 1 and np.isin(labels, (0, 1)).all():
        if (labels.sum(1) == 1).all():
            return Task(shape, width, "softmax", "categorical_crossentropy", ["accuracy"], "val_accuracy")
        objective = ("val_binary_accuracy", "max")
        return Task(shape, width, "sigmoid", "binary_crossentropy", ["binary_accuracy"], objective)
    return Task(shape, width, None, "mean_squared_error", [], "val_loss")


def with_held_out(data: Data, seed: int | None) -> Data:
    """Return data that have something to validate on: a fifth of the arrays, where there is nothing.

    Without a seed it is always the same, so that a search that is continued does not validate on what it trained on.

    Raises:
        ValueError: The data are a dataset.
    """
    if data.validation is not None:
        return data
    if is_dataset(data.training):
        raise ValueError(f"{_OWNER}.validation_data must be given where the training data are a dataset; received None")
    count = len(keras.tree.flatten(data.training)[0])
    order = np.random.default_rng(seed or 0).permutation(count)
    held_out = np.isin(np.arange(count), order[: max(count // 5, 1)])

    def rows(mask: np.ndarray[Any, Any]) -> Any:
        return keras.tree.map_structure(lambda array: np.asarray(array)[mask], data.training)

    return Data(rows(~held_out), rows(held_out), data.argument)


def example(data: Any) -> tuple[Any, Any]:
    """Return inputs and labels: all of arrays, or the first batch of a dataset."""
    if is_dataset(data):
        if iter(data) is data:
            raise ValueError(
                f"{_OWNER}.training_data must be data that can be read more than once; received a generator. Make it a"
                " keras.utils.PyDataset, or arrays"
            )
        data = data[0] if isinstance(data, keras.utils.PyDataset) else next(iter(data))
    x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
    return x, y


def _classes(data: Data) -> int:
    parts = [part for part in (data.training, data.validation) if part is not None]
    if any(hasattr(part, "cardinality") and int(part.cardinality()) == _INFINITE for part in parts):
        raise ValueError(f"{_OWNER}.classes must be given where a dataset never ends; received None")
    count = 1 + max(_largest(part) for part in parts)
    if count < 2:
        raise ValueError(f"{_OWNER}.training_data must have labels of two classes or more; received one")
    return count


def _largest(part: Any) -> int:
    if not is_dataset(part):
        return int(np.max(np.asarray(keras.utils.unpack_x_y_sample_weight(part)[1])))
    batches = (part[i] for i in range(len(part))) if isinstance(part, keras.utils.PyDataset) else iter(part)
    labels = (keras.utils.unpack_x_y_sample_weight(batch)[1] for batch in batches)
    return max(int(np.max(keras.ops.convert_to_numpy(y))) for y in labels)


def _kind(data: Any) -> str:
    return "a dataset" if is_dataset(data) else "arrays"
