"""What happens around the rule: one optimizer's whole life, in float64."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tests.oracles import clipping
from tests.oracles.rule import Array, Rule, State

Gradients = Sequence[Array | None]


@dataclass
class Loop:
    """Applies a rule with everything that the base offers, in the base's order.

    Numbers that may follow a schedule are functions of the effective steps done so far.
    """

    rule: Rule
    learning_rate: float | Callable[[int], float]
    weight_decay: float | Callable[[int], float] = 0.0
    weight_decay_mode: str = "decoupled"
    decayed: Sequence[bool] | None = None
    clipnorm: float | None = None
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    loss_scale_factor: float = 1.0
    gradient_accumulation_steps: int = 1
    use_ema: bool = False
    ema_momentum: float = 0.99
    ema_overwrite_frequency: int | None = None
    nonfinite: str = "propagate"
    constraint: Callable[[Array], Array] | None = None

    variables: list[Array] = field(default_factory=list)
    state: list[State] = field(default_factory=list)
    average: list[Array] = field(default_factory=list)
    steps: int = 0
    skipped: int = 0
    peak: float = 0.0
    _sums: list[Array] = field(default_factory=list)
    _micro_steps: int = 0

    def start(self, variables: Sequence[Array]) -> "Loop":
        """Take the variables as they are before the first step."""
        self.variables = [np.asarray(v, "float64") for v in variables]
        self.state = [self.rule.start(p) for p in self.variables]
        self._sums = [np.zeros_like(p) for p in self.variables]
        return self

    def run(self, gradients: Sequence[Gradients]) -> list[list[Array]]:
        """Apply one list of gradients after the other; return the variables after each."""
        trajectory = []
        for micro_step in gradients:
            self.apply(micro_step)
            trajectory.append(list(self.variables))
        return trajectory

    def apply(self, gradients: Gradients) -> None:
        """Take one micro-step."""
        present = [i for i, g in enumerate(gradients) if g is not None]
        for i in present:
            self._sums[i] = self._sums[i] + np.asarray(gradients[i], "float64") / self.loss_scale_factor
        self._micro_steps += 1
        if self._micro_steps % self.gradient_accumulation_steps:
            return
        mean = [self._sums[i] / self.gradient_accumulation_steps for i in present]
        self._sums = [np.zeros_like(p) for p in self.variables]
        if self.nonfinite == "skip" and not all(np.isfinite(g).all() for g in mean):
            self.skipped += 1
            return
        self._effective_step(present, mean)

    def _effective_step(self, present: Sequence[int], gradients: list[Array]) -> None:
        lr, decay = _now(self.learning_rate, self.steps), _now(self.weight_decay, self.steps)
        self.steps += 1
        own_decay, mode = getattr(self.rule, "decay_in_rule", False), self.weight_decay_mode
        self.peak = max(self.peak, lr)
        if mode == "corrected" and lr:
            decay *= lr / self.peak
        for i, g in zip(present, self._clipped(gradients), strict=True):
            p, options = self.variables[i], {}
            old, decays = p, self.decayed is None or self.decayed[i]
            if decays and mode == "l2":
                g = g + decay * p
            elif decays and mode != "cautious" and own_decay:
                options["decay"] = decay
            elif decays and mode != "cautious":
                p = p - lr * decay * p
            p = self.rule.step(p, g, lr, self.steps, self.state[i], **options)
            if decays and mode == "cautious":
                p = p - lr * decay * old * ((old - p) * old >= 0)
            self.variables[i] = self.constraint(p) if self.constraint else p
        if self.use_ema:
            self._average()

    def _clipped(self, gradients: list[Array]) -> list[Array]:
        if self.clipnorm:
            return clipping.by_norm(gradients, self.clipnorm)
        if self.global_clipnorm:
            return clipping.by_global_norm(gradients, self.global_clipnorm)
        if self.clipvalue:
            return clipping.by_value(gradients, self.clipvalue)
        return gradients

    def _average(self) -> None:
        if self.steps == 1:
            self.average = list(self.variables)
        else:
            m = self.ema_momentum
            pairs = zip(self.average, self.variables, strict=True)
            self.average = [m * a + (1 - m) * p for a, p in pairs]
        if self.ema_overwrite_frequency and self.steps % self.ema_overwrite_frequency == 0:
            self.variables = list(self.average)


def _now(number: float | Callable[[int], float], steps: int) -> float:
    return number(steps) if callable(number) else number
