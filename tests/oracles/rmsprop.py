"""RMSprop (Hinton, 2012), centered (Graves, 2013), with epsilon inside the root as Keras has it."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class RMSprop:
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False

    def start(self, p: Array) -> State:
        state = {"velocity": np.zeros_like(p)}
        if self.momentum:
            state["momentum"] = np.zeros_like(p)
        if self.centered:
            state["average_gradient"] = np.zeros_like(p)
        return state

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        state["velocity"] = self.rho * state["velocity"] + (1 - self.rho) * g**2
        variance = state["velocity"]
        if self.centered:
            state["average_gradient"] = self.rho * state["average_gradient"] + (1 - self.rho) * g
            variance = variance - state["average_gradient"] ** 2
        increment = lr * g / np.sqrt(variance + self.epsilon)
        if self.momentum:
            increment = state["momentum"] = self.momentum * state["momentum"] + increment
        return p - increment
