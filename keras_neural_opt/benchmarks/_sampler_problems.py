"""What samplers are compared on: functions of a trial, of which less is better."""

import csv
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_neural_opt.benchmarks._train_data import table_in

Problem = Callable[[Any], float]

TABLE = "hpo_digits_table.csv"
EPOCHS = 27

_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_A = np.array(
    [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ]
)
_P = np.array(
    [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ]
)
_SHIFT = {"sgd": (0.15, -1.0, 0.9), "adam": (0.0, -3.0, 0.7), "rmsprop": (0.1, -3.5, 0.9)}
_ACTIVATION = {"gelu": 0.0, "relu": 0.1, "elu": 0.2, "tanh": 0.3}
_ORDERED = {"lr": 9, "units": 4, "wd": 3}
_CATEGORIES = {"batch": ("32", "128"), "act": ("relu", "tanh"), "opt": ("adam", "sgdm")}


def branin(trial: Any) -> float:
    """Return Branin's function of two numbers; least is 0.397887."""
    x, y = trial.suggest_float("x", -5.0, 10.0), trial.suggest_float("y", 0.0, 15.0)
    valley = y - 5.1 * x**2 / (4.0 * math.pi**2) + 5.0 * x / math.pi - 6.0
    return valley**2 + 10.0 * (1.0 - 1.0 / (8.0 * math.pi)) * math.cos(x) + 10.0


def hartmann6(trial: Any) -> float:
    """Return Hartmann's function of six numbers; least is -3.32237."""
    x = np.array([trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(6)])
    return -float(_ALPHA @ np.exp(-(_A * (x - _P) ** 2).sum(1)))


def mixed(trial: Any) -> float:
    """Return a function of seven parameters of all kinds, shaped like a training; least is 0, at adam and gelu."""
    offset, log_rate, momentum = _SHIFT[trial.suggest_categorical("optimizer", list(_SHIFT))]
    off = math.log10(trial.suggest_float("learning_rate", 1e-5, 1.0, log=True)) - log_rate
    layers = trial.suggest_int("layers", 1, 6)
    value = offset + _ACTIVATION[trial.suggest_categorical("activation", list(_ACTIVATION))]
    value += 0.15 * off**2 + 0.1 * abs(off) * (layers > 4) + 0.04 * (layers - 3) ** 2
    value += 0.6 * (trial.suggest_float("momentum", 0.0, 1.0) - momentum) ** 2
    value += 0.8 * (trial.suggest_float("dropout", 0.0, 0.8) - 0.1 - 0.05 * layers) ** 2
    return value + 0.04 * math.log2(trial.suggest_int("units", 8, 512, log=True) / 128) ** 2


class Curves:
    """The validation losses after each epoch of networks that were trained on scikit-learn's digits.

    Args:
        folder: Where the table is.

    Raises:
        FileNotFoundError: The folder does not have the table.
    """

    def __init__(self, folder: Path | None) -> None:
        path = table_in(folder, TABLE)
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        self._levels = {name: sorted({row[name] for row in rows}, key=float) for name in _ORDERED}
        names = [*_ORDERED, *_CATEGORIES]
        self._known = {
            tuple(row[name] for name in names): [float(row[f"vl{epoch + 1}"]) for epoch in range(EPOCHS)]
            for row in rows
        }
        self.least = min(losses[-1] for losses in self._known.values())

    def kinds(self) -> dict[str, tuple[Any, ...]]:
        """Return what is searched: `("int", low, high)`, a place among the numbers, or `("categorical", choices)`."""
        ordered = {name: ("int", 0, count - 1) for name, count in _ORDERED.items()}
        return {**ordered, **{name: ("categorical", list(each)) for name, each in _CATEGORIES.items()}}

    def of(self, values: Mapping[str, Any]) -> list[float]:
        """Return the losses of a configuration."""
        ordered = [self._levels[name][values[name]] for name in _ORDERED]
        return self._known[(*ordered, *(values[name] for name in _CATEGORIES))]


def suggested(trial: Any, kinds: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """Return what a trial of Optuna draws."""
    return {
        name: trial.suggest_int(name, *values) if kind == "int" else trial.suggest_categorical(name, *values)
        for name, (kind, *values) in kinds.items()
    }


def digits_table(folder: Path | None) -> Problem:
    """Return the last validation loss of a configuration, looked up.

    Raises:
        FileNotFoundError: The folder does not have the table.
    """
    curves = Curves(folder)
    return lambda trial: curves.of(suggested(trial, curves.kinds()))[-1]
