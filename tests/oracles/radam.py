"""RAdam (Liu et al., 2020), algorithm 2, with epsilon added to the root of the uncorrected second moment."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class RAdam:
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p), "velocity": np.zeros_like(p)}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * g
        state["velocity"] = self.beta_2 * state["velocity"] + (1 - self.beta_2) * g**2
        corrected_momentum = state["momentum"] / (1 - self.beta_1**t)
        rho_infinity = 2 / (1 - self.beta_2) - 1
        rho = rho_infinity - 2 * t * self.beta_2**t / (1 - self.beta_2**t)
        if rho <= 5:
            return p - lr * corrected_momentum
        rectification = np.sqrt(
            ((rho - 4) * (rho - 2) * rho_infinity) / ((rho_infinity - 4) * (rho_infinity - 2) * rho)
        )
        adaptive = np.sqrt(1 - self.beta_2**t) / (np.sqrt(state["velocity"]) + self.epsilon)
        return p - lr * rectification * corrected_momentum * adaptive
