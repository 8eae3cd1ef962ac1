"""Nadam (Dozat, 2016), in the form of Keras and torch: the momentum grows, and its product is kept as it grows."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class Nadam:
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    momentum_decay: float = 1.0

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p), "velocity": np.zeros_like(p)}

    def momentum(self, t: int) -> float:
        return self.beta_1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        m = state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * g
        v = state["velocity"] = self.beta_2 * state["velocity"] + (1 - self.beta_2) * g**2
        product = np.prod([self.momentum(i) for i in range(1, t + 1)])
        m_hat = self.momentum(t + 1) * m / (1 - product * self.momentum(t + 1))
        m_hat = m_hat + (1 - self.momentum(t)) * g / (1 - product)
        return p - lr * m_hat / (np.sqrt(v / (1 - self.beta_2**t)) + self.epsilon)
