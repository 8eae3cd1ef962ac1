"""Stochastic gradient descent; the velocity is measured in units of the variable, as Keras defines it."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class SGD:
    momentum: float = 0.0
    nesterov: bool = False

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p)} if self.momentum else {}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        if not self.momentum:
            return p - lr * g
        state["momentum"] = self.momentum * state["momentum"] - lr * g
        if self.nesterov:
            return p + self.momentum * state["momentum"] - lr * g
        return p + state["momentum"]
