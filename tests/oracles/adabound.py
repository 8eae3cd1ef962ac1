"""AdaBound and AMSBound (Luo et al., 2019), as in the authors' code."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class AdaBound:
    base_learning_rate: float
    beta_1: float = 0.9
    beta_2: float = 0.999
    final_learning_rate: float = 0.1
    gamma: float = 1e-3
    epsilon: float = 1e-8
    amsbound: bool = False

    def start(self, p: Array) -> State:
        state = {"momentum": np.zeros_like(p), "velocity": np.zeros_like(p)}
        return {**state, "velocity_hat": np.zeros_like(p)} if self.amsbound else state

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * g
        state["velocity"] = self.beta_2 * state["velocity"] + (1 - self.beta_2) * g**2
        v = state["velocity"]
        if self.amsbound:
            v = state["velocity_hat"] = np.maximum(state["velocity_hat"], v)
        step_size = lr * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        final = self.final_learning_rate * lr / self.base_learning_rate
        lower = final * (1 - 1 / (self.gamma * t + 1))
        upper = final * (1 + 1 / (self.gamma * t))
        return p - np.clip(step_size / (np.sqrt(v) + self.epsilon), lower, upper) * state["momentum"]
