"""Trains one small network with each optimizer on real data."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from keras_neural_opt import optimizers

BATCH_SIZE = 32
TARGET = 0.95
JUDGED_EPOCHS = 5
LEARNING_RATES = (0.001, 0.003, 0.01, 0.03, 0.1)

CANDIDATES: dict[str, tuple[str, dict[str, Any]]] = {
    "SGD momentum": ("sgd", {"momentum": 0.9}),
    "Adam": ("adam", {}),
    "AdamW": ("adamw", {"weight_decay_mask": "no_bias"}),
    "RMSprop": ("rmsprop", {}),
    "Adagrad": ("adagrad", {}),
    "RAdam": ("radam", {}),
    "AdaBound": ("adabound", {}),
}


@dataclass(frozen=True)
class Digits:
    """Scikit-learn's handwritten digits: images of 8x8 pixels in [0, 1] and labels, in three parts."""

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]

    @property
    def steps_per_epoch(self) -> int:
        """How many batches the training part has."""
        return -(-len(self.train[0]) // BATCH_SIZE)


@dataclass(frozen=True)
class Run:
    """One training from one start."""

    losses: list[float]
    validation_accuracies: list[float]
    validation_losses: list[float]
    test_accuracy: float
    seconds: float

    @property
    def settled_loss(self) -> float:
        """The mean validation loss of the last epochs; less a matter of luck than the last epoch's accuracy."""
        return float(np.mean(self.validation_losses[-JUDGED_EPOCHS:]))


@dataclass(frozen=True)
class Outcome:
    """An optimizer with the learning rate that did best on the validation part, and its runs from every seed."""

    label: str
    learning_rate: float
    runs: list[Run]

    @property
    def accuracies(self) -> list[float]:
        """The test accuracy of each run."""
        return [run.test_accuracy for run in self.runs]

    def mean_steps_to_target(self, steps_per_epoch: int) -> float | None:
        """Return the mean number of steps until the validation accuracy reached the target; None if a run never did."""
        epochs = [
            next((i for i, accuracy in enumerate(run.validation_accuracies, start=1) if accuracy >= TARGET), None)
            for run in self.runs
        ]
        reached = [epoch for epoch in epochs if epoch is not None]
        return float(np.mean(reached)) * steps_per_epoch if len(reached) == len(epochs) else None


@dataclass(frozen=True)
class Comparison:
    """Everything that the report tells."""

    data: Digits
    outcomes: list[Outcome]
    epochs: int
    seconds: float


def compare(seeds: Sequence[int], epochs: int, console: Console) -> Comparison:
    """Choose each optimizer's learning rate with the first seed, then train from every seed.

    Args:
        seeds: Seeds of the starts and the shuffling.
        epochs: Epochs of each run.
        console: Where the progress bar goes.
    """
    start, data = time.perf_counter(), load_data()
    columns = (TextColumn("{task.description:<18}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task("", total=len(CANDIDATES) * (len(LEARNING_RATES) + len(seeds) - 1))
        outcomes = []
        for label in CANDIDATES:
            bar.update(task, description=label)
            outcomes.append(_outcome(label, data, seeds, epochs, lambda: bar.advance(task)))
    return Comparison(data, outcomes, epochs, time.perf_counter() - start)


def load_data() -> Digits:
    """Return the digits; the same 60, 20 and 20 percent of each class every time."""
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("the quick start needs scikit-learn: pip install scikit-learn") from error
    images, labels = load_digits(return_X_y=True)
    images, labels = (images / 16).astype("float32"), labels.astype("int32")
    x, x_test, y, y_test = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    return Digits((x, y), (x_val, y_val), (x_test, y_test))


def _outcome(label: str, data: Digits, seeds: Sequence[int], epochs: int, done: Any) -> Outcome:
    name, options = CANDIDATES[label]
    trainers = {}
    tried = {}
    trainer = None
    for rate in LEARNING_RATES:
        # Compiled once, unless a constant of the step belongs to the rate that the optimizer was made with.
        if trainer is None or "base_learning_rate" in trainer.model.optimizer.hyperparameters():
            trainer = _Trainer(optimizers.get(name, learning_rate=rate, **options), data, epochs)
        trainers[rate] = trainer
        tried[rate] = trainer.run(rate, seeds[0])
        done()
    best = min(tried, key=lambda rate: tried[rate].settled_loss)
    runs = [tried[best]]
    for seed in seeds[1:]:
        runs.append(trainers[best].run(best, seed))
        done()
    return Outcome(label, best, runs)


class _Trainer:
    """One model and one optimizer, compiled once and taken back to a start before each run."""

    def __init__(self, optimizer: Any, data: Digits, epochs: int) -> None:
        self.data, self.epochs = data, epochs
        self.model = _network(seed=0)
        self.model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        optimizer.build(self.model.trainable_variables)
        self.optimizer_start = [np.array(v.numpy()) for v in optimizer.variables]
        # The first batches compile; that is no optimizer's time.
        self._fit(epochs=1)

    def run(self, learning_rate: float, seed: int) -> Run:
        """Train from the start that belongs to `seed`."""
        self.model.set_weights(_network(seed).get_weights())
        for variable, value in zip(self.model.optimizer.variables, self.optimizer_start, strict=True):
            variable.assign(value)
        self.model.optimizer.learning_rate = learning_rate
        keras.utils.set_random_seed(seed)
        start = time.perf_counter()
        history = self._fit(self.epochs)
        seconds = time.perf_counter() - start
        test = self.model.evaluate(*self.data.test, batch_size=512, verbose=0, return_dict=True)
        return Run(history["loss"], history["val_accuracy"], history["val_loss"], float(test["accuracy"]), seconds)

    def _fit(self, epochs: int) -> dict[str, list[float]]:
        return self.model.fit(
            *self.data.train,
            batch_size=BATCH_SIZE,
            epochs=epochs,
            validation_data=self.data.validation,
            validation_batch_size=512,
            verbose=0,
        ).history


def _network(seed: int) -> Any:
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10, activation="softmax")]
    )
