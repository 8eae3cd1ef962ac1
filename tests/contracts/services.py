"""Contracts on what the base does around a rule: schedules, clipping, accumulation, averages, constraints."""

import dataclasses
import json
from typing import Any

import keras
import numpy as np

from keras_neural_opt import transforms
from keras_neural_opt.schedules import LinearDecay
from tests.contracts.contract import contract
from tests.contracts.numerics import assert_equals_twin
from tests.contracts.problem import (
    STEPS,
    assert_follows,
    assert_same,
    gradients,
    make_variables,
    read,
    start_values,
)
from tests.contracts.running import WAYS, run, run_on
from tests.contracts.subject import Subject
from tests.oracles.cosine_annealing import CosineAnnealing as Annealing


def schedules(subject: Subject) -> tuple[Any, Annealing]:
    """Return a Keras schedule and its float64 twin, which differ at every step of the test."""
    rate = subject.spec.learning_rate
    return keras.optimizers.schedules.CosineDecay(rate, 2 * STEPS), Annealing(rate, 2 * STEPS)


@contract()
def follows_a_schedule(subject: Subject) -> None:
    """Step t uses the rate of t - 1 effective steps."""
    schedule, twin = schedules(subject)
    assert_equals_twin(subject, base={"learning_rate": schedule}, loop={"learning_rate": twin})


def _numbers_that_may_change(subject: Subject) -> dict[str, float]:
    optimizer = subject.make()
    fields = {field.name for field in dataclasses.fields(subject.twin().rule)}
    names = [name for name in optimizer.hyperparameters() if name in fields and name not in optimizer.fixed]
    values = {name: getattr(optimizer, name) for name in names}
    return {name: value for name, value in values.items() if isinstance(value, float) and value > 0}


@contract(pointless=lambda subject: "" if _numbers_that_may_change(subject) else "it has no number that may change")
def lets_hyperparameters_follow_schedules(subject: Subject) -> None:
    """All of its numbers at once, each at every step where its schedule is; as the twin whose numbers change."""
    # Not near 1: float32 holds 1 - 0.999 to five digits only.
    ends = {name: (0.9 * value, 0.5 * value) for name, value in _numbers_that_may_change(subject).items()}
    start, micro_steps, expected = start_values(), gradients(), []
    twin = subject.twin().start(start)
    for step, micro_step in enumerate(micro_steps):
        now = {name: first + (last - first) * step / STEPS for name, (first, last) in ends.items()}
        twin.rule = dataclasses.replace(twin.rule, **now)
        twin.apply(micro_step)
        expected.append(list(twin.variables))
    follow = {name: LinearDecay(first, STEPS, last) for name, (first, last) in ends.items()}
    for way in WAYS:
        result = run(subject.make(**follow), start, micro_steps, way)
        assert_follows(result.trajectory, expected, start)
        assert result.traces == (way != "eager")
    again = type(result.optimizer).from_config(json.loads(json.dumps(result.optimizer.get_config())))
    assert again.get_config() == result.optimizer.get_config()
    assert again.scheduled().keys() == follow.keys()


@contract()
def calls_a_callable_learning_rate(subject: Subject) -> None:
    """A function without arguments is asked at every eager step."""
    rates = [subject.spec.learning_rate * (1 + step % 3) for step in range(STEPS)]
    start, micro_steps, asked = start_values(), gradients(), iter(rates)
    optimizer = subject.make(learning_rate=lambda: next(asked), **subject.spec.with_any_rate)
    result = run(optimizer, start, micro_steps)
    expected = subject.twin(learning_rate=lambda steps: rates[steps]).start(start).run(micro_steps)
    assert_follows(result.trajectory, expected, start)


@contract()
def takes_a_new_learning_rate(subject: Subject) -> None:
    """A rate that is set between two steps counts from the next step on."""
    start, micro_steps = start_values(), gradients()
    optimizer, rate = subject.make(), subject.spec.learning_rate
    first = run(optimizer, start, micro_steps[:4])
    optimizer.learning_rate = rate / 2
    second = run_on(optimizer, first.variables, micro_steps[4:])
    twin = subject.twin(learning_rate=lambda steps: rate if steps < 4 else rate / 2).start(start)
    assert_follows([*first.trajectory, *second.trajectory], twin.run(micro_steps), start)


@contract()
def clips(subject: Subject) -> None:
    """Each of Keras' three arguments and each transform of that meaning clips as the twin does."""
    for name, transform, limit in (
        ("clipnorm", transforms.ClipByNorm, 1.5),
        ("global_clipnorm", transforms.ClipByGlobalNorm, 3.0),
        ("clipvalue", transforms.ClipByValue, 0.8),
    ):
        assert_equals_twin(subject, base={name: limit})
        assert_equals_twin(subject, base={"gradient_transforms": [transform(limit)]}, loop={name: limit})


@contract()
def unscales_the_gradients(subject: Subject) -> None:
    """With `loss_scale_factor`, scaled gradients take the steps of unscaled ones."""
    start, micro_steps = start_values(), gradients()
    result = run(subject.make(loss_scale_factor=1024.0), start, [[g * 1024 for g in step] for step in micro_steps])
    assert_follows(result.trajectory, subject.twin().start(start).run(micro_steps), start)
    assert float(result.optimizer.scale_loss(2.0)) == 2048.0


@contract()
def accumulating_equals_one_large_batch(subject: Subject) -> None:
    """Three micro-steps take exactly the one step of their mean gradient, on time, with a schedule."""
    start, micro_steps = start_values(), gradients(3 * STEPS)
    schedule, twin_schedule = schedules(subject)
    optimizer = subject.make(learning_rate=schedule, gradient_accumulation_steps=3)
    result = run(optimizer, start, micro_steps)
    windows = zip(micro_steps[::3], micro_steps[1::3], micro_steps[2::3], strict=True)
    means = [[np.mean(gs, axis=0, dtype="float64") for gs in zip(*window, strict=True)] for window in windows]
    expected = subject.twin(learning_rate=twin_schedule).start(start).run(means)
    assert_follows(result.trajectory[2::3], expected, start)
    for step in range(0, 3 * STEPS, 3):
        before = read(start) if step == 0 else result.trajectory[step - 1]
        assert_same(result.trajectory[step], before, "variables after the first micro-step")
        assert_same(result.trajectory[step + 1], before, "variables after the second micro-step")
    assert int(optimizer.iterations) == STEPS


@contract()
def averages_per_effective_step(subject: Subject) -> None:
    """The moving average starts at the first step's variables, moves once a step and ends in the variables."""
    start, micro_steps = start_values(), gradients(2 * STEPS)
    base = {"use_ema": True, "ema_momentum": 0.7, "gradient_accumulation_steps": 2}
    result = run(subject.make(**base), start, micro_steps)
    twin = subject.twin(**base).start(start)
    assert_follows(result.trajectory, twin.run(micro_steps), start)
    result.optimizer.finalize_variable_values(result.variables)
    assert_follows([read(result.variables)], [twin.average], start)


@contract()
def overwrites_by_the_average_on_time(subject: Subject) -> None:
    """Every third effective step the average replaces the variables."""
    base = {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 3}
    assert_equals_twin(subject, base=base)


@contract()
def constrains_after_the_step(subject: Subject) -> None:
    """A variable's constraint holds after every step."""
    start, micro_steps = start_values(), gradients()
    variables = make_variables(start)
    for variable in variables:
        variable.constraint = keras.constraints.NonNeg()
    result = run_on(subject.make(), variables, micro_steps)
    twin = subject.twin(constraint=lambda p: np.maximum(p, 0.0)).start(start)
    assert_follows(result.trajectory, twin.run(micro_steps), start)


@contract()
def all_services_together_equal_the_twin_in_every_way(subject: Subject) -> None:
    """Schedules, decay, clipping, accumulation, averages and skipping do not disturb each other."""
    schedule, twin_schedule = schedules(subject)
    both = {
        "weight_decay_mode": "l2",
        "global_clipnorm": 3.0,
        "gradient_accumulation_steps": 2,
        "use_ema": True,
        "ema_momentum": 0.8,
        "ema_overwrite_frequency": 2,
        "nonfinite": "skip",
    }
    decay = {"initial_learning_rate": 0.05, "decay_steps": 2 * STEPS}
    start, micro_steps = start_values(), gradients(2 * STEPS)
    micro_steps[6][2][1, 1] = np.nan
    twin = subject.twin(**both, learning_rate=twin_schedule, weight_decay=Annealing(**decay)).start(start)
    expected = twin.run(micro_steps)
    for way in WAYS:
        optimizer = subject.make(
            **both,
            learning_rate=schedule,
            weight_decay=keras.optimizers.schedules.CosineDecay(**decay),
        )
        result = run(optimizer, start, micro_steps, way)
        assert_follows(result.trajectory, expected, start)
        assert (int(optimizer.iterations), int(optimizer.skipped)) == (twin.steps, twin.skipped) == (STEPS - 1, 1)
        assert result.traces == (way != "eager"), f"{way}: traced {result.traces} times"
