"""A step on torch in parts that fit the cache: temporaries then never reach the memory, whose speed is the limit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

# Of 2**18 elements a variable, its gradient, two slots and a temporary are 5 MB, about a core's share of the cache.
PART = 1 << 18


@dataclass(frozen=True)
class Part:
    """Some whole tensors of a list, or a stretch of one large tensor."""

    indices: tuple[int, ...]
    stretch: slice | None = None

    def of(self, tensors: Sequence[Any]) -> list[Any]:
        """Return this part of a list of tensors, as views."""
        if self.stretch is None:
            return [tensors[i] for i in self.indices]
        return [tensors[i].reshape(-1)[self.stretch] for i in self.indices]


def plan(sizes: Sequence[int], divisible: Sequence[bool]) -> list[Part]:
    """Return parts of about `PART` elements that cover tensors of these sizes, cutting only divisible ones."""
    parts: list[Part] = []
    group: list[int] = []
    filled = 0
    for i, size in enumerate(sizes):
        if size > PART and divisible[i]:
            parts += [Part((i,), slice(start, min(start + PART, size))) for start in range(0, size, PART)]
            continue
        if group and filled + size > PART:
            parts.append(Part(tuple(group)))
            group, filled = [], 0
        group.append(i)
        filled += size
    return [*parts, Part(tuple(group))] if group else parts


def run(
    rule: Callable[[list[list[Any]], list[bool]], list[list[Any]]],
    lists: list[list[Any]],
    marks: list[bool],
    divide: bool,
) -> list[list[Any]]:
    """Run `rule` on one part of `lists` after the other, and return the lists of the variables and of the slots.

    Args:
        rule: Takes variables, gradients and slots, and a mark for each variable; returns new variables and slots.
        lists: Variables, gradients and slots. All but the gradients are updated in place.
        marks: A mark for each variable.
        divide: Whether the rule may see some of the variables at a time, and stretches of them.
    """
    kept = [lists[0], *lists[2:]]
    for part in _parts(kept) if divide else [Part(tuple(range(len(marks))))]:
        given = [part.of(x) for x in lists]
        _store([given[0], *given[2:]], rule(given, [marks[i] for i in part.indices]))
    return kept


def _store(storages: list[list[Any]], new: list[list[Any]]) -> None:
    """Copy the values that the rule did not compute in place."""
    pairs = [(s, x) for old, values in zip(storages, new, strict=True) for s, x in zip(old, values, strict=True)]
    pairs = [(s, x) for s, x in pairs if s is not x]
    if not pairs:
        return
    # A value may be another slot's old storage, which must not be overwritten before it is read.
    used = {s.data_ptr() for old in storages for s in old}
    values = [x.clone() if x.data_ptr() in used else x for _, x in pairs]
    torch._foreach_copy_([s for s, _ in pairs], values)


def _parts(kept: list[list[Any]]) -> list[Part]:
    sizes = [x.numel() for x in kept[0]]
    # A slot of another size than its variable has no part that belongs to a part of the variable.
    divisible = [all(x[i].is_contiguous() and x[i].numel() == size for x in kept) for i, size in enumerate(sizes)]
    return plan(sizes, divisible)
