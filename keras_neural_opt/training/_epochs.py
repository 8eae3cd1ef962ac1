"""Schedules that count epochs learn how many steps an epoch has."""

from collections.abc import Iterator
from typing import Any

from keras_neural_opt._core.nested import chain
from keras_neural_opt.schedules import Schedule


def count_epochs(owner: str, optimizer: Any, batches: int | None) -> bool:
    """Let the schedules of an optimizer, and of those inside it, count epochs; return whether there were any.

    Args:
        owner: Who asks; an error names it.
        optimizer: A Keras optimizer.
        batches: How many batches an epoch has, or None if nobody knows.

    Raises:
        ValueError: There is such a schedule, and nobody knows.
    """
    found = False
    for each, calls in with_calls(optimizer):
        for place in ("_learning_rate", "weight_decay", *getattr(each, "_hyperparameter_names", ())):
            schedule = getattr(each, place, None)
            if not isinstance(schedule, Schedule) or not schedule.counts_epochs:
                continue
            if batches is None:
                raise ValueError(
                    f"{owner}.steps_per_epoch must be given, for the scheduler to count epochs of data that does not"
                    " know its length; received None"
                )
            counting, found = schedule.in_steps(batches / calls), True
            if place != "_learning_rate":
                setattr(each, place, counting)
            elif hasattr(each, "follow"):
                each.follow(counting)
            else:  # Not by assignment: TensorFlow asks for the old value first, and in epochs it has none.
                type(each).learning_rate.fset(each, counting)
    return found


def with_calls(optimizer: Any) -> Iterator[tuple[Any, int]]:
    """Yield an optimizer and each inside it, with the number of batches that make one of its steps."""
    calls = 1
    for each in chain(optimizer):
        calls *= each.steps if getattr(each, "accumulates", False) else 1
        yield each, calls * (each.gradient_accumulation_steps or 1)
