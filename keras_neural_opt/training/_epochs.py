"""Schedules that count epochs learn how many steps an epoch has."""

from typing import Any

from keras_neural_opt._core.nested import chain
from keras_neural_opt.schedules import Schedule


def count_epochs(owner: str, optimizer: Any, batches: int | None) -> None:
    """Let the schedules of an optimizer, and of those inside it, count epochs.

    Args:
        owner: Who asks; an error names it.
        optimizer: A Keras optimizer.
        batches: How many batches an epoch has, or None if nobody knows.

    Raises:
        ValueError: There is such a schedule, and nobody knows.
    """
    calls = 1  # that make a step of the optimizer in turn
    for each in chain(optimizer):
        calls *= each.steps if getattr(each, "accumulates", False) else 1
        for place in ("_learning_rate", "weight_decay", *getattr(each, "_hyperparameter_names", ())):
            schedule = getattr(each, place, None)
            if not isinstance(schedule, Schedule) or not schedule.counts_epochs:
                continue
            if batches is None:
                raise ValueError(
                    f"{owner}.steps_per_epoch must be given, for the scheduler to count epochs of data that does not"
                    " know its length; received None"
                )
            counting = schedule.in_steps(batches / (calls * (each.gradient_accumulation_steps or 1)))
            if place == "_learning_rate":
                each.learning_rate = counting
            else:
                setattr(each, place, counting)
