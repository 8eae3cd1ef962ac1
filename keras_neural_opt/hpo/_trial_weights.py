"""The weights of a trial in a file: those of its best epoch, without the optimizer, which is at its last."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_neural_opt._core.files import write_atomic


def save_weights(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a model's weights to a file that is whole or not there."""
    target = Path(path)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder, _without_optimizer(model):
        written = Path(folder) / target.name
        model.save_weights(written)
        write_atomic(target, written.read_bytes())


def load_weights(model: Any, path: str | os.PathLike[str]) -> None:
    """Read them into a model of the same form."""
    with _without_optimizer(model):
        model.load_weights(path)


@contextlib.contextmanager
def _without_optimizer(model: Any) -> Iterator[None]:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        yield
        return
    model.optimizer = None
    try:
        yield
    finally:
        model.optimizer = optimizer
