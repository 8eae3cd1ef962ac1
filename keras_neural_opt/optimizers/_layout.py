"""What a step needs to know of the variables that it is given."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

_shape = attrgetter("shape")


class Layout:
    """A list of variables with all that is the same in every step: found once, looked up afterwards.

    Args:
        variables: Variables that the optimizer was built for.
        slots: For each slot its state of each of `variables`.
        decayed: Which of `variables` weight decay applies to.
        marks: What the rule must know of each of `variables`, by name.
        accumulators: The sums of accumulated gradients, if there are any.
    """

    def __init__(
        self,
        variables: Sequence[Any],
        slots: Sequence[Sequence[Any]],
        decayed: Sequence[bool],
        marks: Sequence[dict[str, Any]],
        accumulators: Sequence[Any],
    ) -> None:
        # It keeps the variables alive: the identities by which a layout is looked up cannot become another's.
        self.variables = list(variables)
        self.slots = [list(slot) for slot in slots]
        self.decayed = list(decayed)
        self.marks = list(marks)
        self.accumulators = list(accumulators)
        self.overwritten = any(getattr(v, "overwrite_with_gradient", False) for v in variables)
        self.remembered: Any = None  # what the backend worked out from it
        self._shapes = list(map(_shape, variables))

    def fits(self, gradients: Sequence[Any]) -> bool:
        """Whether these are plain gradients, one of its shape for each variable, with which nothing special is done.

        It is asked in every step, of every variable: without loops in bytecode this costs a fifth.
        """
        if self.overwritten or type(None) in set(map(type, gradients)):
            return False
        try:
            return list(map(_shape, gradients)) == self._shapes
        except (AttributeError, ValueError):  # A list has no shape, and slices in a graph not always.
            return False
