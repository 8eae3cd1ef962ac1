"""LARS (You, Gitman and Ginsburg, 2017, algorithm 1) and LARC, which clips the local rate at the global one."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class LARS:
    momentum: float = 0.9
    trust_coefficient: float = 0.001
    epsilon: float = 1e-8
    nesterov: bool = False
    clip: bool = False
    decay_in_rule: bool = True

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p)} if self.momentum else {}

    def step(
        self, p: Array, g: Array, lr: float, t: int, state: State, decay: float = 0.0, adapted: bool = True
    ) -> Array:
        length, slope = np.sqrt(np.sum(p**2)), np.sqrt(np.sum(g**2))
        local = 1.0
        if adapted and length > 0 and slope + decay * length + self.epsilon > 0:
            local = self.trust_coefficient * length / (slope + decay * length + self.epsilon)
            if self.clip:
                local = min(local / lr, 1.0)
        step = lr * local * (g + decay * p)
        if not self.momentum:
            return p - step
        state["momentum"] = self.momentum * state["momentum"] - step
        return p + (self.momentum * state["momentum"] - step if self.nesterov else state["momentum"])
