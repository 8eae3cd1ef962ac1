"""Optimizers inside of others."""

from collections.abc import Iterator
from typing import Any


def chain(optimizer: Any) -> Iterator[Any]:
    """Yield an optimizer and all that are inside of it: of a wrapper, or of Keras' `MultiOptimizer`."""
    yield optimizer
    inner = getattr(optimizer, "inner_optimizer", None)
    for inside in (*([] if inner is None else [inner]), *getattr(optimizer, "optimizers", ())):
        yield from chain(inside)
