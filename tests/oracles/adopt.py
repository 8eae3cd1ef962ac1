"""ADOPT (Taniguchi et al., 2024, algorithm 2) with the authors' clipping."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class ADOPT:
    beta_1: float = 0.9
    beta_2: float = 0.9999
    epsilon: float = 1e-6
    use_clipping: bool = True

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p), "velocity": np.zeros_like(p)}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        if t == 1:
            state["velocity"] = g**2
            return p
        normalized = g / np.maximum(np.sqrt(state["velocity"]), self.epsilon)
        if self.use_clipping:
            normalized = np.clip(normalized, -((t - 1) ** 0.25), (t - 1) ** 0.25)
        state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * normalized
        state["velocity"] = self.beta_2 * state["velocity"] + (1 - self.beta_2) * g**2
        return p - lr * state["momentum"]
