"""Adamax (Kingma and Ba, 2015, section 7.1), with epsilon where Keras puts it."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class Adamax:
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p), "norm": np.zeros_like(p)}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        m = state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * g
        u = state["norm"] = np.maximum(self.beta_2 * state["norm"], np.abs(g))
        return p - lr / (1 - self.beta_1**t) * m / (u + self.epsilon)
