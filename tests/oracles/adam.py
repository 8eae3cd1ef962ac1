"""Adam (Kingma and Ba, 2015) and AMSGrad (Reddi et al., 2018), with epsilon where Keras puts it.

Keras adds epsilon to the root of the uncorrected second moment: the faster form in section 2 of the paper.
AMSGrad keeps the maximum of the uncorrected second moment.
"""

from dataclasses import dataclass

import numpy as np

from tests.oracles.rule import Array, State


@dataclass(frozen=True)
class Adam:
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False

    def start(self, p: Array) -> State:
        state = {"momentum": np.zeros_like(p), "velocity": np.zeros_like(p)}
        return {**state, "velocity_hat": np.zeros_like(p)} if self.amsgrad else state

    def step(self, p: Array, g: Array, lr: float, t: int, state: State) -> Array:
        state["momentum"] = self.beta_1 * state["momentum"] + (1 - self.beta_1) * g
        state["velocity"] = self.beta_2 * state["velocity"] + (1 - self.beta_2) * g**2
        v = state["velocity"]
        if self.amsgrad:
            v = state["velocity_hat"] = np.maximum(state["velocity_hat"], v)
        alpha = lr * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        return p - alpha * state["momentum"] / (np.sqrt(v) + self.epsilon)
