"""NovoGrad (Ginsburg et al., 2019, algorithm 1)."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class NovoGrad:
    beta_1: float = 0.95
    beta_2: float = 0.98
    epsilon: float = 1e-8
    grad_averaging: bool = False
    decay_in_rule: bool = True

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p), "velocity": np.zeros(())}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State, decay: float = 0.0) -> Array:
        square = np.sum(g**2)
        state["velocity"] = square if t == 1 else self.beta_2 * state["velocity"] + (1 - self.beta_2) * square
        weight = 1 - self.beta_1 if self.grad_averaging else 1.0
        new = g / (np.sqrt(state["velocity"]) + self.epsilon) + decay * p
        state["momentum"] = self.beta_1 * state["momentum"] + weight * new
        return p - lr * state["momentum"]
