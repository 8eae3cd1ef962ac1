"""Lion (Chen et al., 2023, program 1)."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class Lion:
    beta_1: float = 0.9
    beta_2: float = 0.99

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p)}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        m = state["momentum"]
        state["momentum"] = self.beta_2 * m + (1 - self.beta_2) * g
        return p - lr * np.sign(self.beta_1 * m + (1 - self.beta_1) * g)
