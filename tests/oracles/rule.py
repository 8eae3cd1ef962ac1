"""What every twin of an optimizer's rule offers."""

from typing import Protocol

import numpy as np

Array = np.ndarray
State = dict[str, Array]


class Rule(Protocol):
    """One variable's step, in float64. The state is a dictionary that `step` changes.

    A rule with a true attribute `decay_in_rule` takes the coefficient of weight decay as a keyword, `decay`.
    """

    def start(self, p: Array) -> State:
        """Return the state before the first step, by the names of the optimizer's slots."""
        ...

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        """Return the variable after step `t`, which counts from 1."""
        ...
