"""A step on torch in parts that fit the cache: temporaries then never reach the memory, whose speed is the limit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from keras.src.backend.common.stateless_scope import in_stateless_scope
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from keras_neural_opt._core import backend_torch_fused
from keras_neural_opt._core.backend_torch import read_all, write
from keras_neural_opt._core.backend_torch_compile import compiled

# Of 2**18 elements a variable, its gradient, two slots and a temporary are 5 MB, about a core's share of the cache.
PART = 1 << 18
# Below this, calling a compiled function costs more than copying the tensors into one, to call it for all of them.
SMALL = 1 << 14

Lists: TypeAlias = list[list[Any]]


@dataclass(frozen=True)
class Stretch:
    """A stretch of one variable, as a view of its memory."""

    indices: tuple[int]
    start: int
    stop: int

    def take(self, tensors: Sequence[Any]) -> list[Any]:
        """Return this part of a list of contiguous tensors."""
        x = tensors[self.indices[0]]
        return [x.as_strided((self.stop - self.start,), (1,), x.storage_offset() + self.start)]

    def put(self, kept: Lists, taken: Lists, new: Lists) -> None:
        """Store the new values where the rule did not compute them in place."""
        _store(taken, new)


@dataclass(frozen=True)
class Flattened:
    """One variable as a flat tensor that shares its memory."""

    indices: tuple[int]

    def take(self, tensors: Sequence[Any]) -> list[Any]:
        """Return this part of a list of tensors."""
        # A view would bring its base along, and the compiler would compile again for each shape of a base.
        whole = tensors[self.indices[0]]
        return [torch.ops.aten._unsafe_view.default(whole.contiguous(), [whole.numel()])]

    def put(self, kept: Lists, taken: Lists, new: Lists) -> None:
        """Store the new values where the rule did not compute them in place."""
        _store(taken, new)
        # Autograd counts changes, to refuse a backward pass through values that are no more.
        torch.autograd.graph.increment_version([tensors[self.indices[0]] for tensors in kept])


@dataclass(frozen=True)
class Joined:
    """Several small variables, copied into one flat tensor and back."""

    indices: tuple[int, ...]

    def take(self, tensors: Sequence[Any]) -> list[Any]:
        """Return this part of a list of tensors."""
        return [_flatten_dense_tensors([tensors[i] for i in self.indices])]

    def put(self, kept: Lists, taken: Lists, new: Lists) -> None:
        """Store the new values."""
        _store(taken, new)
        for tensors, (flat,) in zip(kept, taken, strict=True):
            targets = [tensors[i] for i in self.indices]
            torch._foreach_copy_(targets, _unflatten_dense_tensors(flat, targets))


@dataclass(frozen=True)
class Whole:
    """Several whole variables, as they are."""

    indices: tuple[int, ...]

    def take(self, tensors: Sequence[Any]) -> list[Any]:
        """Return this part of a list of tensors."""
        return [tensors[i] for i in self.indices]

    def put(self, kept: Lists, taken: Lists, new: Lists) -> None:
        """Store the new values where the rule did not compute them in place."""
        _store(taken, new)


Part: TypeAlias = Stretch | Flattened | Joined | Whole


def run(step: Any, layout: Any, gradients: Any, scalars: tuple[Any, ...]) -> None:
    """Run one step of a rule on the variables of a layout, in place; see `running.run_whole`."""
    targets = [layout.variables, *layout.slots]
    kept = [read_all(target) for target in targets]
    _run(step, layout, kept, gradients, scalars)
    if in_stateless_scope():
        for target, values in zip(targets, kept, strict=True):
            write(target, values)


def _run(step: Any, layout: Any, kept: Lists, gradients: Any, scalars: tuple[Any, ...]) -> None:
    tensors, due = gradients.pending()
    if due and not due.changes_something(tensors[0]):
        due = None  # Clipping that has nothing to clip costs no pass over the gradients.
    kernel = step.kernel(backend_torch_fused)
    if kernel and not due and backend_torch_fused.usable(kernel, [*kept, tensors]):
        kernel([kept[0], tensors, *kept[1:]], layout.decayed, *scalars)
        return
    tensors = _contiguous(tensors)  # once, and not for each stretch
    if kernel and not backend_torch_fused.usable(kernel, [*kept, tensors]):
        kernel = None
    flat = kernel is None and step.compiles and step.elementwise and not layout.marks[0] and _wide(kept)
    if due and due.factors is not None and (flat or not due.fits(tensors, PART)):
        tensors, due = _contiguous(gradients.tensors), None
    constants = step.constants() if flat else ()
    scratch = tensors[0].new_empty(PART if due else 0)
    for part in _parts(step, layout, kept, flat):
        p, *slots = taken = [part.take(x) for x in kept]
        own = part.indices[: len(p)]  # those joined into one tensor have the same
        decayed, marks = [layout.decayed[i] for i in own], [layout.marks[i] for i in own]
        g = part.take(tensors)
        if due:
            g = due.done_to_part(gradients.new(g), part.indices, scratch)
        given = [p, g, *slots]
        if kernel:
            kernel(given, decayed, *scalars)
            new = taken
        else:
            done = compiled(step, given, decayed, scalars, constants) if flat else None
            new = done or step(given, decayed, marks, *scalars)
        part.put(kept, taken, new)


def _contiguous(tensors: Sequence[Any]) -> list[Any]:
    return [x if x.is_contiguous() else x.contiguous() for x in tensors]


def _parts(step: Any, layout: Any, kept: Lists, flat: bool) -> list[Part]:
    contiguous = all(all(map(torch.Tensor.is_contiguous, tensors)) for tensors in kept)
    form = (flat, contiguous, PART)
    if layout.remembered is None or layout.remembered[0] != form or not contiguous:
        layout.remembered = form, plan(kept, layout.decayed, step.elementwise, flat)
    parts: list[Part] = layout.remembered[1]
    return parts


def _wide(kept: Lists) -> bool:
    """Whether a step's scalars, cast to the variables' dtypes as a compiled rule does, keep their digits."""
    return all({x.dtype for x in tensors} <= {torch.float32, torch.float64} for tensors in kept)


def plan(kept: Lists, marks: Sequence[bool], elementwise: bool, flat: bool = False) -> list[Part]:
    """Return parts of about `PART` elements that cover all variables.

    Args:
        kept: The variables and each of their slots.
        marks: Which of the variables are decayed.
        elementwise: Whether variables may be cut and joined.
        flat: Whether each part is to be one flat tensor, however large.
    """
    if kept[0][0].device.type != "cpu" and not flat:
        # An accelerator runs one operation on a whole list by itself, and its cache is no limit.
        return [Whole(tuple(range(len(marks))))]
    if not elementwise:
        return [Whole(group) for group in _groups(range(len(marks)), [x.numel() for x in kept[0]])]
    parts: list[Part] = []
    small: dict[Any, list[int]] = {}
    odd: list[int] = []
    for i, mark in enumerate(marks):
        tensors = [x[i] for x in kept]
        size = tensors[0].numel()
        if not all(x.numel() == size and x.is_contiguous() for x in tensors):
            odd.append(i)  # It has no stretch that belongs to a stretch of its slot.
        elif size < (SMALL if flat else PART):
            small.setdefault((mark, *((x.dtype, x.device) for x in tensors)) if flat else None, []).append(i)
        elif flat:
            parts.append(Flattened((i,)))
        else:
            row = tensors[0].shape[-1] if tensors[0].dim() else 1
            stride = max(PART // row, 1) * row if row <= PART else PART  # whole rows, if they are not too long
            parts += [Stretch((i,), start, min(start + stride, size)) for start in range(0, size, stride)]
    if flat:
        # The compiler decides for all sizes by the first that it sees, whether threads are worth it.
        parts.sort(key=lambda part: -kept[0][part.indices[0]].numel())
    for like in small.values():
        for group in _groups(like, [kept[0][i].numel() for i in like]):
            # One alone would be joined to a view of itself.
            parts.append(Whole(group) if not flat else Joined(group) if len(group) > 1 else Flattened((group[0],)))
    return [*parts, Whole(tuple(odd))] if odd else parts


def _groups(indices: Sequence[int], sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    group: list[int] = []
    filled = 0
    for i, size in zip(indices, sizes, strict=True):
        if group and filled + size > PART:
            yield tuple(group)
            group, filled = [], 0
        group.append(i)
        filled += size
    if group:
        yield tuple(group)


def _store(storages: Lists, new: Lists) -> None:
    """Copy the values that the rule did not compute in place."""
    pairs = [(s, x) for old, values in zip(storages, new, strict=True) for s, x in zip(old, values, strict=True)]
    pairs = [(s, x) for s, x in pairs if s is not x]
    if not pairs:
        return
    # A value may be another slot's old storage, which must not be overwritten before it is read.
    used = {s.data_ptr() for old in storages for s in old}
    values = [x.clone() if x.data_ptr() in used else x for _, x in pairs]
    torch._foreach_copy_([s for s, _ in pairs], values)
