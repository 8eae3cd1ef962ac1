"""LAMB (You et al., 2020, algorithm 2) with the identity as its scaling function."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class LAMB:
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-6
    decay_in_trust_ratio: bool = True

    @property
    def decay_in_rule(self) -> bool:
        return self.decay_in_trust_ratio

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p), "velocity": np.zeros_like(p)}

    def step(
        self, p: Array, g: Array, lr: float, t: int, state: State, decay: float = 0.0, adapted: bool = True
    ) -> Array:
        m = state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * g
        v = state["velocity"] = self.beta_2 * state["velocity"] + (1 - self.beta_2) * g**2
        u = m / (1 - self.beta_1**t) / (np.sqrt(v / (1 - self.beta_2**t)) + self.epsilon) + decay * p
        length, size = np.sqrt(np.sum(p**2)), np.sqrt(np.sum(u**2))
        ratio = length / size if adapted and length > 0 and size > 0 else 1.0
        return p - lr * ratio * u
