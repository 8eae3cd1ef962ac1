"""SGDP (Heo et al., 2021, algorithm 1)."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.projection import project
from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class SGDP:
    momentum: float = 0.9
    epsilon: float = 1e-8
    delta: float = 0.1
    wd_ratio: float = 0.1
    nesterov: bool = False
    decay_in_rule: bool = True

    def start(self, p: Array) -> State:
        return {"momentum": np.zeros_like(p)}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State, decay: float = 0.0) -> Array:
        m = state["momentum"] = self.momentum * state["momentum"] + g
        u = self.momentum * m + g if self.nesterov else m
        u, projected = project(u, p, g, self.delta, self.epsilon)
        p = p - lr * decay / (1 - self.momentum) * (self.wd_ratio if projected else 1.0) * p
        return p - lr * u
