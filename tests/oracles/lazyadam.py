"""Adam (Kingma and Ba, 2015) that leaves rows without a gradient alone, moments and all."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class LazyAdam:
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    lazy: bool = False

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p), "velocity": np.zeros_like(p)}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        m = self.beta_1 * state["momentum"] + (1 - self.beta_1) * g
        v = self.beta_2 * state["velocity"] + (1 - self.beta_2) * g**2
        new = p - lr * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t) * m / (np.sqrt(v) + self.epsilon)
        if self.lazy and p.ndim >= 2:
            used = np.any(g != 0, axis=tuple(range(1, p.ndim)), keepdims=True)
            m, v = np.where(used, m, state["momentum"]), np.where(used, v, state["velocity"])
            new = np.where(used, new, p)
        state["momentum"], state["velocity"] = m, v
        return new
