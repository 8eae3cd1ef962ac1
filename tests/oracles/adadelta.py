"""Adadelta (Zeiler, 2012), algorithm 1, times a learning rate."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class Adadelta:
    rho: float = 0.95
    epsilon: float = 1e-7

    def start(self, p: Array) -> State:
        return {"accumulated_grad": np.zeros_like(p), "accumulated_delta_var": np.zeros_like(p)}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        state["accumulated_grad"] = self.rho * state["accumulated_grad"] + (1 - self.rho) * g**2
        delta = -self._rms(state["accumulated_delta_var"]) / self._rms(state["accumulated_grad"]) * g
        state["accumulated_delta_var"] = self.rho * state["accumulated_delta_var"] + (1 - self.rho) * delta**2
        return p + lr * delta

    def _rms(self, mean_square: Array) -> Array:
        return np.sqrt(mean_square + self.epsilon)
