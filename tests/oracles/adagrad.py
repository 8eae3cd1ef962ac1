"""Adagrad (Duchi et al., 2011), with epsilon inside the root as Keras has it."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class Adagrad:
    initial_accumulator_value: float = 0.1
    epsilon: float = 1e-7

    def start(self, p: Array) -> State:
        # The sum carries epsilon from its start: it only grows, so that adding it in each step is the same.
        return {"accumulator": np.full_like(p, self.initial_accumulator_value + self.epsilon)}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        state["accumulator"] = state["accumulator"] + g**2
        return p - lr * g / np.sqrt(state["accumulator"])
