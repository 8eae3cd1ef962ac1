"""Real data for the training benchmark: from a folder of files, or from where Keras and scikit-learn have them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np


class Data(NamedTuple):
    """Arrays to train and to judge on, and where they come from; of text, the inputs are its characters."""

    inputs: np.ndarray
    labels: np.ndarray
    held_out_inputs: np.ndarray
    held_out_labels: np.ndarray
    source: str


def digits(folder: Path | None) -> Data:
    """Return scikit-learn's 1797 digits; every fourth is held out."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, y = (x / 16.0).reshape(-1, 8, 8, 1).astype("float32"), y.astype("int32")
    held_out = np.arange(len(x)) % 4 == 3
    return Data(x[~held_out], y[~held_out], x[held_out], y[held_out], "scikit-learn's digits")


def mnist(folder: Path | None) -> Data:
    """Return MNIST; the test images are held out."""
    arrays, source = _arrays("mnist", "mnist.npz", folder, lambda: keras.datasets.mnist.load_data())
    x, y, x_test, y_test = arrays
    return Data(_unit(x)[..., None], _integers(y), _unit(x_test)[..., None], _integers(y_test), source)


def cifar10(folder: Path | None) -> Data:
    """Return 10,000 images of CIFAR-10; 2,000 of its test images are held out."""
    arrays, source = _arrays("CIFAR-10", "cifar10_12k.npz", folder, lambda: keras.datasets.cifar10.load_data())
    x, y, x_test, y_test = arrays
    inputs, held_out = (4.0 * (_unit(images) - 0.5) for images in (x[:10_000], x_test[:2_000]))
    return Data(inputs, _integers(y[:10_000]), held_out, _integers(y_test[:2_000]), source)


def shakespeare(folder: Path | None) -> Data:
    """Return the characters of Shakespeare as integers; the last tenth is held out. There are no labels.

    Raises:
        FileNotFoundError: The folder does not have the file.
    """
    path = Path() if folder is None else folder / "tinyshakespeare.txt"
    if not path.is_file():
        raise FileNotFoundError("the task needs a folder with tinyshakespeare.txt: give --data or set KNO_DATA")
    characters = np.frombuffer(path.read_bytes(), "uint8")
    text = np.unique(characters, return_inverse=True)[1].astype("int32")
    end, none = len(text) * 9 // 10, np.zeros(0, "int32")
    return Data(text[:end], none, text[end:], none, path.name)


def data_folder(given: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder of data sets: the one that is given, or what `KNO_DATA` says, or None.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    named = given or os.environ.get("KNO_DATA")
    if not named:
        return None
    if not Path(named).is_dir():
        raise FileNotFoundError(f"the folder of data sets does not exist: {named}")
    return Path(named)


def table_in(folder: Path | None, name: str) -> Path:
    """Return the path of a table in the folder of data sets.

    Raises:
        FileNotFoundError: It is not there.
    """
    if folder is None or not (folder / name).is_file():
        raise FileNotFoundError(f"the problem needs a folder with {name}: give --data or set KNO_DATA")
    return folder / name


def _arrays(
    name: str, file: str, folder: Path | None, download: Callable[[], tuple[tuple[np.ndarray, ...], ...]]
) -> tuple[list[np.ndarray], str]:
    if folder is not None and (folder / file).is_file():
        with np.load(folder / file, allow_pickle=False) as archive:
            return [archive[key] for key in ("x_train", "y_train", "x_test", "y_test")], file
    return [array for part in download() for array in part], f"keras.datasets, {name}"


def _unit(images: np.ndarray) -> np.ndarray:
    return (images / np.float32(255.0)).astype("float32")


def _integers(labels: np.ndarray) -> np.ndarray:
    return labels.ravel().astype("int32")
