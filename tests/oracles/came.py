"""CAME (Luo et al., 2023, algorithm 2); scalars and vectors take the momentum itself, as in the authors' code."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.adafactor import rms
from tests.oracles.factored import over_root, start_factors, update_factors
from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class CAME:
    beta_1: float = 0.9
    beta_2: float = 0.999
    beta_3: float = 0.9999
    epsilon_1: float = 1e-30
    epsilon_2: float = 1e-16
    clip_threshold: float = 1.0

    def start(self, p: Array) -> State:
        residual = start_factors(p, "residual_rows", "residual_columns", "")
        del residual[""]
        return {"momentum": np.zeros_like(p), **start_factors(p, "rows", "columns", "velocity"), **residual}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        moment, residual = ("rows", "columns", "velocity"), ("residual_rows", "residual_columns", "")
        update_factors(state, moment, g**2 + self.epsilon_1, 1 - self.beta_2)
        u = over_root(g, state, moment)
        u = u / max(1.0, rms(u) / self.clip_threshold)
        m = state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * u
        if p.ndim < 2:
            return p - lr * m
        update_factors(state, residual, (u - m) ** 2 + self.epsilon_2, 1 - self.beta_3)
        return p - lr * over_root(m, state, residual)
