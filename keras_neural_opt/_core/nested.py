"""Optimizers inside of others."""

from collections.abc import Iterator
from typing import Any


def chain(optimizer: Any) -> Iterator[Any]:
    """Yield an optimizer and all that are inside of it: of a wrapper, or of Keras' `MultiOptimizer`."""
    yield optimizer
    inner = getattr(optimizer, "inner_optimizer", None)
    for inside in (*([] if inner is None else [inner]), *getattr(optimizer, "optimizers", ())):
        yield from chain(inside)


def is_innermost(optimizer: Any) -> bool:
    """Whether no other optimizer is inside of it: it is one that takes the steps."""
    return getattr(optimizer, "inner_optimizer", None) is None and not getattr(optimizer, "optimizers", None)


def innermost(optimizer: Any) -> Iterator[Any]:
    """Yield the optimizers that take the steps."""
    yield from filter(is_innermost, chain(optimizer))
