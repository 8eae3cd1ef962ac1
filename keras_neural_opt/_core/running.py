"""Runs one step of a rule on the variables of a layout, in the way that suits the backend; assigns copies."""

from collections.abc import Sequence
from typing import Any

from keras_neural_opt._core.backend import NAME, native
from keras_neural_opt._core.tensors import Tensors


def run_whole(step: Any, layout: Any, gradients: Tensors, scalars: tuple[Any, ...]) -> None:
    """Read everything, compute, assign last. XLA then fuses the whole list by itself.

    Args:
        step: A `RuleStep`.
        layout: Its `Layout`: the variables, their slots, and which of them are decayed.
        gradients: One gradient a variable.
        scalars: Learning rate, number of the step and coefficient of weight decay.
    """
    targets = [layout.variables, *layout.slots]
    lists = [native.read_all(target) for target in targets]
    lists.insert(1, gradients.tensors)
    given = set(map(id, gradients.tensors))
    for target, values in zip(targets, step(lists, layout.decayed, layout.marks, *scalars), strict=True):
        # A gradient that becomes state belongs to the caller, who may keep it when the state is donated.
        native.write(target, [native.copy(x) if id(x) in given and native.runs_eagerly(x) else x for x in values])


def assign_copies(variables: Sequence[Any], sources: Sequence[Any]) -> None:
    """Assign to `variables` the values of other ones: two variables must not share a buffer that is donated."""
    native.write(variables, [native.copy(x) for x in native.read_all(sources)])


if NAME == "torch":
    from keras_neural_opt._core import backend_torch_parts

    run = backend_torch_parts.run
else:
    run = run_whole
