"""Adan (Xie et al., 2022, algorithm 1), its decays written as what stays, as in the authors' code."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class Adan:
    beta_1: float = 0.98
    beta_2: float = 0.92
    beta_3: float = 0.99
    epsilon: float = 1e-8

    def start(self, p: Array) -> State:
        return {name: np.zeros_like(p) for name in ("momentum", "difference", "velocity", "previous_gradient")}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        d = g - state["previous_gradient"] if t > 1 else np.zeros_like(g)
        m = state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * g
        v = state["difference"] = self.beta_2 * state["difference"] + (1 - self.beta_2) * d
        n = state["velocity"] = self.beta_3 * state["velocity"] + (1 - self.beta_3) * (g + self.beta_2 * d) ** 2
        state["previous_gradient"] = g
        m_hat, v_hat, n_hat = m / (1 - self.beta_1**t), v / (1 - self.beta_2**t), n / (1 - self.beta_3**t)
        return p - lr * (m_hat + self.beta_2 * v_hat) / (np.sqrt(n_hat) + self.epsilon)
