"""Schedules that count epochs learn how many steps an epoch has."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from keras_neural_opt._core.nested import chain
from keras_neural_opt.layers._scheduled_rate import scheduled_layers
from keras_neural_opt.layers._variational_dropout import VariationalDropout
from keras_neural_opt.schedules import Schedule


def count_epochs(owner: str, optimizer: Any, batches: int | None, model: Any = None) -> bool:
    """Let the schedules of an optimizer, those inside it and the layers of a model count epochs; return if any does.

    Args:
        owner: Who asks; an error names it.
        optimizer: A Keras optimizer.
        batches: How many batches an epoch has, or None if nobody knows.
        model: A Keras model, or None.

    Raises:
        ValueError: There is such a schedule, and nobody knows.
    """
    found = False
    for schedule, calls, replace in (*_of_optimizer(optimizer), *_of_layers(model)):
        if not isinstance(schedule, Schedule) or not schedule.counts_epochs:
            continue
        if batches is None:
            raise ValueError(
                f"{owner}.steps_per_epoch must be given, for the scheduler to count epochs of data that does not"
                " know its length; received None"
            )
        replace(schedule.in_steps(batches / calls))
        found = True
    return found


# A schedule, or what is in its place, how many batches make one of its steps, and a function that replaces it.
_Place = tuple[Any, int, Callable[[Any], None]]


def _of_optimizer(optimizer: Any) -> Iterator[_Place]:
    for each, calls in with_calls(optimizer):
        for name in ("_learning_rate", "weight_decay", *getattr(each, "_hyperparameter_names", ())):
            if name != "_learning_rate":
                replace = partial(setattr, each, name)
            elif hasattr(each, "follow"):
                replace = each.follow
            else:  # Not by assignment: TensorFlow asks for the old value first, and in epochs it has none.
                replace = partial(type(each).learning_rate.fset, each)
            yield getattr(each, name, None), calls, replace


def _of_layers(model: Any) -> Iterator[_Place]:
    if model is None:
        return
    for layer in scheduled_layers(model):
        yield layer.schedule, 1, layer.follow
    for layer in model._flatten_layers():
        if isinstance(layer, VariationalDropout):
            yield layer.kl_weight, 1, partial(setattr, layer, "kl_weight")


def with_calls(optimizer: Any) -> Iterator[tuple[Any, int]]:
    """Yield an optimizer and each inside it, with the number of batches that make one of its steps."""
    calls = 1
    for each in chain(optimizer):
        calls *= each.steps if getattr(each, "accumulates", False) else 1
        yield each, calls * (each.gradient_accumulation_steps or 1)
