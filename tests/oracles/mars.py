"""MARS-AdamW (Yuan et al., 2024, algorithm 2) in its approximate form; vectors and scalars take AdamW's step."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class MARS:
    beta_1: float = 0.95
    beta_2: float = 0.99
    gamma: float = 0.025
    epsilon: float = 1e-8
    optimize_1d: bool = False

    def start(self, p: Array) -> State:
        return {name: np.zeros_like(p) for name in ("momentum", "velocity", "previous_gradient")}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        c = g
        if self.optimize_1d or p.ndim >= 2:
            c = g + self.gamma * self.beta_1 / (1 - self.beta_1) * (g - state["previous_gradient"])
            c = c / max(np.sqrt(np.sum(c**2)), 1.0)
        state["previous_gradient"] = g
        m = state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * c
        v = state["velocity"] = self.beta_2 * state["velocity"] + (1 - self.beta_2) * c**2
        return p - lr * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t) * m / (np.sqrt(v) + self.epsilon)
