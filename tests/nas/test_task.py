import keras
import numpy as np
import pytest

from keras_neural_opt._core.backend import NAME
from keras_neural_opt.nas._task import Task, task_of, with_held_out
from keras_neural_opt.training._data import Data

X = np.random.default_rng(0).normal(size=(10, 4, 3)).astype("float32")
CLASSES = np.arange(10) % 5


def task(y: np.ndarray, **options: object) -> Task:
    return task_of(Data((X, y)), **options)


@pytest.mark.backend_free
@pytest.mark.parametrize("labels", [CLASSES, CLASSES[:, None], CLASSES.astype("uint8"), CLASSES % 2 == 0])
def test_integers_are_classes(labels: np.ndarray) -> None:
    found = task(labels)
    count = 2 if labels.dtype == bool else 5
    assert (found.input_shape, found.outputs, found.activation) == ((4, 3), count, "softmax")
    assert (found.loss, found.metrics, found.objective) == (
        "sparse_categorical_crossentropy",
        ["accuracy"],
        "val_accuracy",
    )


@pytest.mark.backend_free
def test_classes_that_only_the_validation_has_count() -> None:
    assert task_of(Data((X, CLASSES), (X, CLASSES + 2))).outputs == 7
    assert task(CLASSES, classes=12).outputs == 12


@pytest.mark.backend_free
def test_rows_of_zeros_and_ones_are_classes() -> None:
    one_hot = np.eye(5)[CLASSES]
    assert (task(one_hot).outputs, task(one_hot).loss) == (5, "categorical_crossentropy")
    several = one_hot + np.eye(5)[(CLASSES + 1) % 5]
    found = task(several)
    assert (found.activation, found.loss) == ("sigmoid", "binary_crossentropy")
    assert found.objective == ("val_binary_accuracy", "max")


@pytest.mark.backend_free
@pytest.mark.parametrize(("labels", "outputs"), [(np.linspace(0, 1, 10), 1), (np.full((10, 3), 0.5), 3)])
def test_all_else_is_a_regression(labels: np.ndarray, outputs: int) -> None:
    found = task(labels)
    assert (found.outputs, found.activation, found.loss, found.objective) == (
        outputs,
        None,
        "mean_squared_error",
        "val_loss",
    )


class Batches(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return X[2 * index : 2 * index + 2], CLASSES[2 * index : 2 * index + 2]


def datasets() -> list[object]:
    made: list[object] = [Batches()]
    if NAME == "torch":
        import torch

        tensors = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(CLASSES))
        made.append(torch.utils.data.DataLoader(tensors, batch_size=2))
    else:
        tf = pytest.importorskip("tensorflow")
        made.append(tf.data.Dataset.from_tensor_slices((X, CLASSES)).batch(2))
    return made


def test_the_labels_of_datasets_are_read_to_their_end() -> None:
    for data in datasets():
        assert (task_of(Data(data)).outputs, task_of(Data(data)).input_shape) == (5, (4, 3))


@pytest.mark.backend_free
def test_a_fifth_of_the_arrays_is_held_out_the_same_by_the_same_seed() -> None:
    held = with_held_out(Data((X, CLASSES)), 1)
    (x, y), (held_x, held_y) = held.training, held.validation
    assert (len(x), len(held_x)) == (8, 2)
    rows = {row.tobytes(): label for row, label in zip(X, CLASSES, strict=True)}
    parts = [*zip(x, y, strict=True), *zip(held_x, held_y, strict=True)]
    assert {row.tobytes(): label for row, label in parts} == rows
    assert (with_held_out(Data((X, CLASSES)), 1).validation[0] == held_x).all()
    assert not (with_held_out(Data((X, CLASSES)), 2).validation[0] == held_x).all()
    given = Data((X, CLASSES), (X, CLASSES))
    assert with_held_out(given, 1) is given


def endless() -> object:
    while True:
        yield X, CLASSES


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X, "training_data must have labels; received arrays of inputs alone"),
        (
            ({"a": X, "b": X}, CLASSES),
            "training_data must have one tensor of inputs and one of labels; received 2 and 1",
        ),
        (endless(), "training_data must be data that can be read more than once; received a generator"),
    ],
)
def test_what_says_no_task_is_refused(data: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^neural_architecture_search.{message}"):
        task_of(Data(data))


@pytest.mark.backend_free
def test_a_dataset_needs_another_to_validate_on() -> None:
    with pytest.raises(ValueError, match="validation_data must be given where the training data are a dataset"):
        with_held_out(Data(Batches()), 1)
