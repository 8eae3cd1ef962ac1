"""Saves a model that several workers train."""

import os
import tempfile
from pathlib import Path

import keras

from keras_neural_opt._core.files import write_atomic
from keras_neural_opt.distributed._cluster import barrier, cluster


def save(model: keras.Model, path: str | os.PathLike[str]) -> Path:
    """Save a model with its optimizer's state, once for all workers, who must call it together.

    What each worker keeps for itself, such as the gradients that wait to be sent, is saved as the mean over all
    workers: the file goes on with any number of them. The first worker writes it, beside the path first, and then
    renames it.

    Args:
        model: The model, the same on every worker.
        path: The file, which ends in `.keras`. Its folder must exist, for the first worker.

    Returns:
        The path.

    Raises:
        ValueError: The path does not end in `.keras`.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> kno.distributed.save(model, "trained.keras").name
        'trained.keras'
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"save.path must end in .keras; received {str(path)!r}")
    with tempfile.TemporaryDirectory() as folder:
        # All take part in the means; what the others have written is the same, and goes.
        written = Path(folder) / path.name
        model.save(written)
        if cluster().rank == 0:
            write_atomic(path, written.read_bytes())
    barrier()
    return path
