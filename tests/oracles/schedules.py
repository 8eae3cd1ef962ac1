"""Schedules from their definitions, in float64: functions of a Python int."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

Twin = Callable[[int], float]


def constant(learning_rate: float) -> Twin:
    return lambda step: learning_rate


def cosine_annealing_warm_restarts(
    initial_learning_rate: float,
    first_decay_steps: int,
    t_mul: float = 1.0,
    m_mul: float = 1.0,
    minimum_learning_rate: float = 0.0,
) -> Twin:
    def rate(step: int) -> float:
        period, length = 0, first_decay_steps
        if t_mul == 1:
            period, step = divmod(step, length)
        while step >= length:
            step -= length
            period += 1
            length = round(first_decay_steps * t_mul**period)
        top = m_mul**period * (initial_learning_rate - minimum_learning_rate)
        return minimum_learning_rate + top * (1 + math.cos(math.pi * step / length)) / 2

    return rate


def polynomial_decay(
    initial_learning_rate: float,
    decay_steps: int,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> Twin:
    def rate(step: int) -> float:
        total = decay_steps
        if cycle:
            total *= max(1, -(-step // decay_steps))
        step = min(step, total)
        return (initial_learning_rate - end_learning_rate) * ((total - step) / total) ** power + end_learning_rate

    return rate


def linear_decay(initial_learning_rate: float, decay_steps: int, end_learning_rate: float = 0.0) -> Twin:
    return polynomial_decay(initial_learning_rate, decay_steps, end_learning_rate)


def exponential_decay(
    initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False
) -> Twin:
    def rate(step: int) -> float:
        times = step // decay_steps if staircase else step / decay_steps
        return initial_learning_rate * math.exp(times * math.log(decay_rate))

    return rate


def step_decay(initial_learning_rate: float, decay_steps: int, decay_rate: float = 0.1) -> Twin:
    return exponential_decay(initial_learning_rate, decay_steps, decay_rate, staircase=True)


def multi_step_decay(initial_learning_rate: float, milestones: Sequence[int], decay_rate: float = 0.1) -> Twin:
    return lambda step: initial_learning_rate * decay_rate ** sum(milestone <= step for milestone in milestones)


def curriculum_dropout(rate: float, total_steps: int, steepness: float = 10.0) -> Twin:
    kept = 1 - rate
    return lambda step: 1 - ((1 - kept) * math.exp(-steepness * step / total_steps) + kept)


def early_dropout(rate: float, cutoff_steps: int, curve: str = "constant") -> Twin:
    def value(step: int) -> float:
        if step >= cutoff_steps:
            return 0.0
        return rate if curve == "constant" else rate * (cutoff_steps - step) / cutoff_steps

    return value


def late_dropout(rate: float, start_steps: int) -> Twin:
    return lambda step: rate if step >= start_steps else 0.0


def inverse_square_root(initial_learning_rate: float, timescale: int = 10_000) -> Twin:
    return lambda step: initial_learning_rate * math.sqrt(timescale / (timescale + step))


def noam(model_size: int, warmup_steps: int = 4000, scale: float = 1.0) -> Twin:
    def rate(step: int) -> float:
        number = step + 1
        return scale / math.sqrt(model_size) * min(1 / math.sqrt(number), number / math.sqrt(warmup_steps) ** 3)

    return rate


def cyclical(
    initial_learning_rate: float,
    maximum_learning_rate: float,
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
    scale_function: Any = None,
    scale_mode: str = "cycle",
) -> Twin:
    up = step_size_up
    down = step_size_down or up

    def rate(step: int) -> float:
        cycle, phase = 1 + step // (up + down), step % (up + down)
        height = phase / up if phase < up else 1 - (phase - up) / down
        if scale_function is not None:
            height *= scale_function(float(cycle if scale_mode == "cycle" else step))
        elif mode == "triangular2":
            height *= 2.0 ** (1 - cycle) if cycle < 1_000 else 0.0
        elif mode == "exp_range":
            height *= math.exp(step * math.log(gamma))
        return initial_learning_rate + (maximum_learning_rate - initial_learning_rate) * height

    return rate


def _one_cycle(points: Sequence[tuple[float, float]], anneal_strategy: str) -> Twin:
    def value(step: int) -> float:
        for (start, first), (end, last) in pairwise(points):
            if step <= end and end > start:
                part = (step - start) / (end - start)
                if anneal_strategy == "cos":
                    part = (1 - math.cos(math.pi * part)) / 2
                return first + (last - first) * part
        return points[-1][1]

    return value


def one_cycle(
    maximum_learning_rate: float,
    total_steps: int,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
) -> Twin:
    top, first = maximum_learning_rate, maximum_learning_rate / div_factor
    up, end = max(0.0, pct_start * total_steps - 1), (total_steps - 1, first / final_div_factor)
    points = [(0.0, first), (up, top), (2 * up, first), end] if three_phase else [(0.0, first), (up, top), end]
    return _one_cycle(points, anneal_strategy)


def one_cycle_momentum(
    total_steps: int,
    base_momentum: float = 0.85,
    maximum_momentum: float = 0.95,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    three_phase: bool = False,
) -> Twin:
    low, high = base_momentum, maximum_momentum
    up, last = max(0.0, pct_start * total_steps - 1), total_steps - 1
    points = [(0.0, high), (up, low), *([(2 * up, high)] if three_phase else []), (last, high)]
    return _one_cycle(points, anneal_strategy)


def warmup_stable_decay(
    peak_learning_rate: float,
    warmup_steps: int,
    stable_steps: int,
    decay_steps: int,
    end_learning_rate: float = 0.0,
    decay: str = "linear",
) -> Twin:
    def rate(step: int) -> float:
        if step < warmup_steps:
            return peak_learning_rate * step / warmup_steps
        step -= warmup_steps + stable_steps
        if step >= decay_steps:
            # Without a decay the last step of the top is step `stable_steps`.
            return peak_learning_rate if step == decay_steps == 0 else end_learning_rate
        x = max(step, 0) / decay_steps
        part = {"linear": 1 - x, "cosine": (1 + math.cos(math.pi * x)) / 2, "1-sqrt": 1 - math.sqrt(x)}[decay]
        return end_learning_rate + (peak_learning_rate - end_learning_rate) * part

    return rate


def warmup(schedule: Twin, warmup_steps: int, kind: str = "linear", initial_factor: float = 0.0) -> Twin:
    def rate(step: int) -> float:
        if step >= warmup_steps:
            return schedule(step - warmup_steps)
        x, first = step / warmup_steps, initial_factor
        factor = {
            "linear": lambda: first + (1 - first) * x,
            "cosine": lambda: first + (1 - first) * (1 - math.cos(math.pi * x)) / 2,
            "exponential": lambda: math.exp((1 - x) * math.log(first)),
            "constant": lambda: first,
        }[kind]
        return schedule(0) * factor()

    return rate


def join(schedules: Sequence[Twin], boundaries: Sequence[int]) -> Twin:
    def rate(step: int) -> float:
        number = sum(boundary <= step for boundary in boundaries)
        return schedules[number](step - (0, *boundaries)[number])

    return rate


def scaled(schedule: Twin, factor: float) -> Twin:
    return lambda step: factor * schedule(step)


def unobserved(schedule: Twin, **settings: Any) -> Twin:
    return schedule


def product(schedules: Sequence[Twin]) -> Twin:
    return lambda step: math.prod(schedule(step) for schedule in schedules)
