"""Cosine annealing (Loshchilov and Hutter, 2017, equation 5)."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class CosineAnnealing:
    initial_learning_rate: float
    decay_steps: int
    minimum_learning_rate: float = 0.0
    start_step: int = 0
    after: str = "hold"

    def __call__(self, step: int) -> float:
        t = step + self.start_step
        if self.after == "hold":
            t = min(t, self.decay_steps)
        # The cosine repeats; a Python int of any size is reduced without an error.
        x = math.pi * (t % (2 * self.decay_steps)) / self.decay_steps
        span = self.initial_learning_rate - self.minimum_learning_rate
        return self.minimum_learning_rate + span * (1 + math.cos(x)) / 2
