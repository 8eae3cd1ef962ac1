"""An architecture that a search found."""

import contextlib
from dataclasses import dataclass
from typing import Any

import keras

from keras_neural_opt.hpo._objectives import PARAMETERS
from keras_neural_opt.hpo._result import format_values
from keras_neural_opt.nas._architecture_space import SearchSpace
from keras_neural_opt.nas._measures import MEASURES
from keras_neural_opt.nas._task import Task

_UNITS = {PARAMETERS: "weights", "flops": "multiply-adds", "memory_mb": "MB of memory for a prediction"}


@dataclass(frozen=True)
class Architecture:
    """A network of a search space, and what came of its trial.

    Args:
        genotype: Its genes by name.
        performance: The objectives and the other metrics of its trial at its best epoch, by name.
        number: The number of its trial, from 0.
        space: The space.
        task: What it is for.

    Example:
        >>> import keras_neural_opt as kno
        >>> from keras_neural_opt.nas import Architecture
        >>> space = kno.nas.mlp(depths=[1, 2], units=[8, 16], activations="relu", dropout_rates=0.0, batch_norms=False)
        >>> task = kno.nas.Task((4,), 3, "softmax", "sparse_categorical_crossentropy", ["accuracy"], "val_accuracy")
        >>> found = Architecture({"depth": 1, "layer_1_units": 8}, {"val_accuracy": 0.9}, 0, space, task)
        >>> found.build().count_params()
        67
    """

    genotype: dict[str, Any]
    performance: dict[str, float]
    number: int
    space: SearchSpace
    task: Task

    def build(self) -> keras.Model:
        """Return a new model of it, neither compiled nor trained."""
        return self.space.build(self.genotype, self.task.input_shape, self.task.outputs)

    def describe(self) -> str:
        """Return its genes, and what it costs, as lines of text."""
        model, costs = self.build(), []
        for name, unit in _UNITS.items():
            with contextlib.suppress(ValueError):  # A layer whose products nobody knows how to count.
                costs.append(f"{MEASURES[name](model):,.6g} {unit}")
        values = ", ".join(f"{name} {value:.4g}" for name, value in self.performance.items())
        return "\n".join([f"trial {self.number}: {values}", ", ".join(costs), format_values(self.genotype)])
