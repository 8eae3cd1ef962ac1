"""AdEMAMix (Pagliardini, Ablin and Grangier, 2024, algorithm 1), with the paper's two schedulers."""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class AdEMAMix:
    beta_1: float = 0.9
    beta_2: float = 0.999
    beta_3: float = 0.9999
    alpha: float = 5.0
    warmup_steps: int | None = None
    epsilon: float = 1e-8

    def start(self, p: Array) -> State:
        return {name: np.zeros_like(p) for name in ("momentum", "slow_momentum", "velocity")}

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        alpha, beta_3 = self.alpha, self.beta_3
        if self.warmup_steps:
            part = t / self.warmup_steps
            alpha = min(part * self.alpha, self.alpha)
            if part < 1 and self.beta_1 == 0:
                beta_3 = self.beta_3 ** (1 / part)
            elif part < 1:
                log_1, log_3 = np.log(self.beta_1), np.log(self.beta_3)
                beta_3 = min(np.exp(log_1 * log_3 / ((1 - part) * log_3 + part * log_1)), self.beta_3)
        m = state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * g
        s = state["slow_momentum"] = beta_3 * state["slow_momentum"] + (1 - beta_3) * g
        v = state["velocity"] = self.beta_2 * state["velocity"] + (1 - self.beta_2) * g**2
        m_hat, v_hat = m / (1 - self.beta_1**t), v / (1 - self.beta_2**t)
        return p - lr * (m_hat + alpha * s) / (np.sqrt(v_hat) + self.epsilon)
