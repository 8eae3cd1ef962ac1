"""AdaBelief (Zhuang et al., 2020, algorithm 2), with epsilon in both places as in the authors' code."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class AdaBelief:
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-16

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p), "belief": np.zeros_like(p)}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        m = state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * g
        s = state["belief"] = self.beta_2 * state["belief"] + (1 - self.beta_2) * (g - m) ** 2 + self.epsilon
        return p - lr * m / (1 - self.beta_1**t) / (np.sqrt(s / (1 - self.beta_2**t)) + self.epsilon)
