"""Adafactor (Shazeer and Stern, 2018, algorithms 4 and 5)."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.factored import over_root, start_factors, update_factors
from tests.oracles.rule import Array, State


def rms(x: Array) -> float:
    return float(np.sqrt(np.mean(x**2)))


@dataclass(frozen=True)
class Adafactor:
    beta_2_decay: float = -0.8
    epsilon_1: float = 1e-30
    epsilon_2: float = 1e-3
    clip_threshold: float = 1.0

    def start(self, p: Array) -> State:
        return start_factors(p, "rows", "columns", "velocity")

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        update_factors(state, ("rows", "columns", "velocity"), g**2 + self.epsilon_1, t**self.beta_2_decay)
        u = over_root(g, state, ("rows", "columns", "velocity"))
        return p - min(lr, t**-0.5) * max(self.epsilon_2, rms(p)) * u / max(1.0, rms(u) / self.clip_threshold)
