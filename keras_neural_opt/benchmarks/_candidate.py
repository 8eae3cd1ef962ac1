"""What a benchmark of steps compares: one optimizer of one library, ready to step."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """An optimizer with variables and gradients of its own.

    Args:
        step: Takes one step, and returns when it is done. The first call traces and compiles.
        state_bytes: Returns the bytes of state that it keeps, once it has taken a step.
    """

    step: Callable[[], None]
    state_bytes: Callable[[], int]


Maker = Callable[[], Candidate]
