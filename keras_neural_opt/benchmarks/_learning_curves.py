"""The learning curves of all networks of a small space, recorded once, so that searches can look them up."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.branches import nothing
from keras_neural_opt._core.files import write_atomic
from keras_neural_opt.benchmarks._train_data import digits, table_in
from keras_neural_opt.nas import SearchSpace, mlp

TABLE = "learning_curves.npz"
EPOCHS = 27
_BATCH = 128


def space() -> SearchSpace:
    """Return the space: 312 multi-layer perceptrons of one to three layers."""
    return mlp(depths=(1, 2, 3), units=(8, 32, 128), activations=("relu", "tanh"), dropout_rates=(0.0, 0.2))


def count_networks() -> int:
    """Return how many networks there are."""
    return len(space().genes.configurations() or ())


def record_learning_curves(
    path: str | os.PathLike[str], advance: Callable[[], Any] | None = None, epochs: int = EPOCHS
) -> Path:
    """Train every network of a space of 312 perceptrons on scikit-learn's digits, and write down its accuracies.

    Each is trained as `neural_architecture_search` trains one, for 27 epochs, in batches of 128.

    Args:
        path: The file, a compressed `.npz`: `genotypes`, as JSON, and `val_accuracy`, of shape `(networks, epochs)`.
        advance: Called after each network, to show progress.
        epochs: Of each training. Defaults to 27.

    Returns:
        The path written.

    Example:
        >>> from keras_neural_opt.benchmarks import record_learning_curves
        >>> record_learning_curves("learning_curves.npz")  # doctest: +SKIP
    """
    from keras_neural_opt.nas._search import search
    from keras_neural_opt.nas._settings import nas_config

    data, then = digits(None), advance or nothing
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "search_space": space(),
            "search_strategy": "random",
            "performance_predictor": "none",
            "population_size": count_networks(),
            "generations": 1,
            "epochs": epochs,
            "batch_size": _BATCH,
            "seed": 0,
            "directory": folder,
            "callbacks": [keras.callbacks.LambdaCallback(on_train_end=lambda logs: then())],
            "verbose": 0,
        }
        training, held_out = (data.inputs, data.labels), (data.held_out_inputs, data.held_out_labels)
        result = search(training, held_out, nas_config(None, options))
        genotype_of = result.tuner.hypermodel.genotype
        genotypes = [json.dumps(genotype_of(trial.hyperparameters)) for trial in result.trials]
        accuracies = [trial.history["val_accuracy"] for trial in result.trials]
    written = BytesIO()
    np.savez_compressed(written, genotypes=np.array(genotypes), val_accuracy=np.array(accuracies, "float32"))
    return write_atomic(path, written.getvalue())


class LearningCurves:
    """The accuracies after each epoch of the networks of a table.

    Args:
        folder: Where the table is.

    Raises:
        FileNotFoundError: The folder does not have it.
    """

    def __init__(self, folder: Path | None) -> None:
        with np.load(table_in(folder, TABLE), allow_pickle=False) as table:
            genotypes, accuracies = table["genotypes"].tolist(), table["val_accuracy"].astype(float)
        self._known = {frozenset(json.loads(g).items()): row for g, row in zip(genotypes, accuracies, strict=True)}
        self.count, self.epochs = accuracies.shape
        # A search keeps the weights of the best epoch.
        self.best = float(accuracies.max())

    def of(self, genotype: Mapping[str, Any]) -> list[float]:
        """Return the accuracies of a network."""
        return [float(x) for x in self._known[frozenset(genotype.items())]]
