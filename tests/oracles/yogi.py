"""Yogi (Zaheer et al., 2018, algorithm 2), with the bias corrections of the authors' code."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class Yogi:
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 0.001
    initial_accumulator_value: float = 1e-6

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p), "velocity": np.full_like(p, self.initial_accumulator_value)}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        m = state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * g
        v = state["velocity"]
        v = state["velocity"] = v - (1 - self.beta_2) * np.sign(v - g**2) * g**2
        return p - lr * m / (1 - self.beta_1**t) / (np.sqrt(v / (1 - self.beta_2**t)) + self.epsilon)
