"""Whether the networks of a space fit the data: seen on one of them, before anything is searched."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_neural_opt.nas._architecture_space import SearchSpace
from keras_neural_opt.nas._genes import sample
from keras_neural_opt.nas._task import Task

_OWNER = "neural_architecture_search"
_KNOWN = ("linear", "softmax", "sigmoid")
_OF_LOGITS: dict[str, Any] = {
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
}


def fitting(task: Task, space: SearchSpace) -> Task:
    """Return the task with a loss for what the networks give out: probabilities, or logits.

    Raises:
        ValueError: A network takes in or gives out something else than the data have.
    """
    model = space.build(sample(space.genes, np.random.default_rng(0)), task.input_shape, task.outputs)
    wanted, found = [(None, *task.input_shape), (None, task.outputs)], [model.input_shape, model.output_shape]
    # A regression to one number may leave the axis out.
    if found[0] != wanted[0] or (task.activation is not None and found[1] != wanted[1]):
        raise ValueError(
            f"{_OWNER}.search_space must build networks of {wanted[0]} to {wanted[1]}, as the data are; received one of"
            f" {found[0]} to {found[1]}"
        )
    given = _activation(model)
    if given == "linear" and task.loss in _OF_LOGITS:
        return replace(task, loss=_OF_LOGITS[task.loss](from_logits=True))
    expected = task.activation or "linear"
    if given is not None and given != expected and "linear" in (given, expected) and given in _KNOWN:
        raise ValueError(
            f"{_OWNER}.search_space must build networks that end in {task.activation or 'no activation'}, as the labels"
            f" ask for; received one that ends in {given}. Built-in spaces take it as classifier_activation"
        )
    return task


def _activation(model: Any) -> str | None:
    """Return the activation of a network's outputs, or None where its last layer does not tell."""
    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return "softmax"
    activation = getattr(last, "activation", None)
    return getattr(activation, "__name__", None)
