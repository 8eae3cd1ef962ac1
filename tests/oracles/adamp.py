"""AdamP (Heo et al., 2021, algorithm 2)."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.projection import project
from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class AdamP:
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    delta: float = 0.1
    wd_ratio: float = 0.1
    nesterov: bool = False
    decay_in_rule: bool = True

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p), "velocity": np.zeros_like(p)}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State, decay: float = 0.0) -> Array:
        m = state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * g
        v = state["velocity"] = self.beta_2 * state["velocity"] + (1 - self.beta_2) * g**2
        if self.nesterov:
            m = self.beta_1 * m + (1 - self.beta_1) * g
        u = m / (np.sqrt(v / (1 - self.beta_2**t)) + self.epsilon)
        u, projected = project(u, p, g, self.delta, self.epsilon)
        p = p - lr * decay * (self.wd_ratio if projected else 1.0) * p
        return p - lr / (1 - self.beta_1**t) * u
