"""What wrappers do around an optimizer's loop, in float64."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tests.oracles.loop import Gradients, Loop
from tests.oracles.rule import Array


@dataclass
class Wrapped:
    """A loop, or a wrapped one, with something before and after each of its steps."""

    inner: "Loop | Wrapped"

    @property
    def variables(self) -> list[Array]:
        return self.inner.variables

    @variables.setter
    def variables(self, values: list[Array]) -> None:
        self.inner.variables = values

    @property
    def steps(self) -> int:
        return self.inner.steps

    @property
    def loop(self) -> Loop:
        return self.inner.loop if isinstance(self.inner, Wrapped) else self.inner

    def start(self, variables: Sequence[Array]) -> "Wrapped":
        self.inner.start(variables)
        self.begin()
        return self

    def run(self, gradients: Sequence[Gradients]) -> list[list[Array]]:
        trajectory = []
        for micro_step in gradients:
            self.apply(micro_step)
            trajectory.append(list(self.variables))
        return trajectory

    def apply(self, gradients: Gradients) -> None:
        gradients = [None if g is None else np.asarray(g, "float64") for g in gradients]
        gradients = self.before(gradients)
        done, old = self.steps, list(self.variables)
        self.inner.apply(gradients)
        if self.steps != done:
            self.after(gradients, old)

    def finish(self) -> None:
        """Do what happens when `fit` ends."""
        if isinstance(self.inner, Wrapped):
            self.inner.finish()

    def begin(self) -> None: ...

    def before(self, gradients: Gradients) -> Gradients:
        return gradients

    def after(self, gradients: Gradients, old: list[Array]) -> None: ...


@dataclass
class Lookahead(Wrapped):
    """Zhang et al., 2019, algorithm 1."""

    sync_period: int = 6
    slow_step_size: float = 0.5
    pullback: str = "none"
    slow: list[Array] = field(default_factory=list)
    slow_momenta: list[Array] = field(default_factory=list)

    def begin(self) -> None:
        self.slow = list(self.variables)
        self.slow_momenta = [np.zeros_like(x) for x in self.slow]

    def after(self, gradients: Gradients, old: list[Array]) -> None:
        if self.steps % self.sync_period:
            return
        new = list(self.variables)
        for i, g in enumerate(gradients):
            if g is not None:
                self.slow[i] = new[i] = self.slow[i] + self.slow_step_size * (new[i] - self.slow[i])
                state = self.loop.state[i]
                if self.pullback == "reset":
                    state["momentum"] = np.zeros_like(new[i])
                elif self.pullback == "pullback":
                    gap = state["momentum"] - self.slow_momenta[i]
                    self.slow_momenta[i] = state["momentum"] = self.slow_momenta[i] + self.slow_step_size * gap
        self.variables = new


@dataclass
class ExponentialMovingAverage(Wrapped):
    """Polyak and Juditsky, 1992, with exponential weights."""

    momentum: float = 0.99
    warm_up: bool = False
    overwrite_frequency: int | None = None
    average: list[Array] = field(default_factory=list)

    def after(self, gradients: Gradients, old: list[Array]) -> None:
        kept = min(self.momentum, self.steps / (self.steps + 10)) if self.warm_up else self.momentum
        kept = kept if self.average else 0.0
        before = self.average or self.variables
        self.average = [kept * a + (1 - kept) * p for a, p in zip(before, self.variables, strict=True)]
        if self.overwrite_frequency and self.steps % self.overwrite_frequency == 0:
            self.variables = list(self.average)

    def finish(self) -> None:
        super().finish()
        if self.average:
            self.variables = list(self.average)


@dataclass
class StochasticWeightAveraging(Wrapped):
    """Izmailov et al., 2018, algorithm 1."""

    start_step: int = 1
    period: int = 1
    collected: list[list[Array]] = field(default_factory=list)

    def after(self, gradients: Gradients, old: list[Array]) -> None:
        if self.steps >= self.start_step and (self.steps - self.start_step) % self.period == 0:
            self.collected.append(list(self.variables))

    def finish(self) -> None:
        super().finish()
        if self.collected:
            self.variables = [np.mean(values, axis=0) for values in zip(*self.collected, strict=True)]


@dataclass
class Cautious(Wrapped):
    """Liang et al., 2024, algorithm 1."""

    def after(self, gradients: Gradients, old: list[Array]) -> None:
        new = list(self.variables)
        for i, g in enumerate(gradients):
            if g is not None:
                step = new[i] - old[i]
                agrees = step * g < 0
                new[i] = old[i] + step * agrees * (step.size / (agrees.sum() + 1))
        self.variables = new


@dataclass
class WithTransforms(Wrapped):
    """Functions of the gradients that there are."""

    functions: Sequence[Callable[[Sequence[Array]], list[Array]]] = ()

    def before(self, gradients: Gradients) -> Gradients:
        changed: list[Array] = [g for g in gradients if g is not None]
        for function in self.functions:
            changed = function(changed)
        rest = iter(changed)
        return [None if g is None else next(rest) for g in gradients]


@dataclass
class Grokfast(Wrapped):
    """Lee et al., 2024, algorithm 2, from a slow gradient of 0."""

    alpha: float = 0.98
    amplification: float = 2.0
    slow: list[Array] = field(default_factory=list)

    def begin(self) -> None:
        self.slow = [np.zeros_like(x) for x in self.variables]

    def before(self, gradients: Gradients) -> Gradients:
        new: list[Array | None] = []
        for i, g in enumerate(gradients):
            if g is not None:
                self.slow[i] = self.alpha * self.slow[i] + (1 - self.alpha) * g
                g = g + self.amplification * self.slow[i]
            new.append(g)
        return new


@dataclass
class GradientAccumulation(Wrapped):
    """Ott et al., 2018, section 3.2: one step with the gradients of several calls, which wait until then."""

    window: int = 2
    reduction: str = "mean"
    waiting: list[Gradients] = field(default_factory=list)

    def apply(self, gradients: Gradients) -> None:
        self.waiting.append([None if g is None else np.asarray(g, "float64") for g in gradients])
        if len(self.waiting) < self.window:
            return
        divisor = self.window if self.reduction == "mean" else 1
        given = [[g for g in of_one if g is not None] for of_one in zip(*self.waiting, strict=True)]
        # What has no gradient in the last call stands still.
        last, self.waiting = self.waiting[-1], []
        self.inner.apply([None if g is None else sum(gs) / divisor for g, gs in zip(last, given, strict=True)])


@dataclass
class LayerwiseLearningRate(Wrapped):
    """Howard and Ruder, 2018, section 3.2: a factor for each variable's step."""

    factors: Sequence[float] = ()

    def after(self, gradients: Gradients, old: list[Array]) -> None:
        triples = zip(old, self.variables, self.factors, strict=True)
        self.variables = [x + c * (y - x) for x, y, c in triples]


@dataclass
class SwitchToSGD(Wrapped):
    """Keskar and Socher, 2017, algorithm 1, or at a step; the paper's rate is one for all variables."""

    at_step: int | None = None
    learning_rate: float | None = None
    momentum: float = 0.9
    beta: float = 0.999
    epsilon: float = 1e-9
    mean_rate: float = 0.0
    rate: float = 0.0
    velocity: list[Array] = field(default_factory=list)

    def begin(self) -> None:
        self.velocity = [np.zeros_like(x) for x in self.variables]

    def after(self, gradients: Gradients, old: list[Array]) -> None:
        if self.at_step is not None and self.steps > self.at_step:
            self.rate = self.learning_rate or 0.0
        present = [(i, g) for i, g in enumerate(gradients) if g is not None]
        if self.rate:
            new = list(self.variables)
            for i, g in present:
                self.velocity[i] = self.momentum * self.velocity[i] + g
                new[i] = old[i] - self.rate * self.velocity[i]
            self.variables = new
        elif self.at_step is None:
            steps = [self.variables[i] - old[i] for i, _ in present]
            slope = -sum(float(np.sum(x * g)) for x, (_, g) in zip(steps, present, strict=True))
            rate = sum(float(np.sum(x**2)) for x in steps) / slope
            self.mean_rate = self.beta * self.mean_rate + (1 - self.beta) * rate
            settled = self.mean_rate / (1 - self.beta**self.steps)
            if self.steps > 1 and settled > 0 and abs(settled - rate) < self.epsilon:
                self.rate = (1 - self.momentum) * settled
