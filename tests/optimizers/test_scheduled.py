"""Hyperparameters that follow schedules, beyond the contract that every class keeps."""

import json
from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers
from keras_neural_opt.schedules import Constant, LinearDecay, OneCycle, OneCycleMomentum, ReduceOnPlateau
from tests.contracts.problem import STEPS, assert_follows, gradients, start_values
from tests.contracts.running import WAYS, run


def by_hand(nesterov: bool, rate: Any, momentum: Any) -> list[list[np.ndarray]]:
    variables = [x.astype("float64") for x in start_values()]
    velocities = [np.zeros_like(x) for x in variables]
    trajectory = []
    for step, micro_step in enumerate(gradients()):
        lr, mu = rate(step), momentum(step)
        velocities = [mu * m - lr * g for m, g in zip(velocities, micro_step, strict=True)]
        moves = [mu * m - lr * g if nesterov else m for m, g in zip(velocities, micro_step, strict=True)]
        variables = [x + move for x, move in zip(variables, moves, strict=True)]
        trajectory.append(variables)
    return trajectory


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("nesterov", [False, True])
def test_one_cycle_moves_rate_and_momentum(way: str, nesterov: bool):
    rate, momentum = OneCycle(0.1, STEPS), OneCycleMomentum(STEPS)
    result = run(optimizers.SGD(rate, momentum, nesterov), start_values(), gradients(), way)
    assert_follows(result.trajectory, by_hand(nesterov, rate, momentum), start_values())
    assert result.traces == (way != "eager")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("centered", [False, True])
def test_the_momentum_of_rmsprop_follows(way: str, centered: bool):
    def trajectory(momentum: Any) -> Any:
        return run(
            optimizers.RMSprop(0.1, momentum=momentum, centered=centered), start_values(), gradients(), way
        ).trajectory

    assert_follows(trajectory(Constant(0.5)), trajectory(0.5), start_values())
    with pytest.raises(AssertionError):
        assert_follows(trajectory(LinearDecay(0.5, STEPS)), trajectory(0.5), start_values())


def test_it_is_a_schedule_again_after_each_step():
    schedule = LinearDecay(0.9, 10)
    optimizer = optimizers.Adam(0.1, beta_1=schedule)
    run(optimizer, start_values(), gradients())
    assert optimizer.beta_1 is schedule
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(optimizer)))
    assert keras.saving.deserialize_keras_object(config).beta_1.get_config() == schedule.get_config()


def test_it_counts_effective_steps():
    start, micro_steps = start_values(), gradients(2 * STEPS)
    means = [
        [(a + b) / 2 for a, b in zip(*pair, strict=True)]
        for pair in zip(micro_steps[::2], micro_steps[1::2], strict=True)
    ]
    schedule = LinearDecay(0.9, STEPS, 0.1)
    accumulated = run(optimizers.SGD(0.1, schedule, gradient_accumulation_steps=2), start, micro_steps)
    assert_follows(accumulated.trajectory[1::2], run(optimizers.SGD(0.1, schedule), start, means).trajectory, start)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: optimizers.Adam(beta_1=LinearDecay(1.5, 10)),
            r"Adam.beta_1 must be a number in \[0, 1\); received 1.5 as its first value",
        ),
        (
            lambda: optimizers.RAdam(beta_2=Constant(0.5)),
            r"RAdam.beta_2 must be a number in \[0, 1\), and no schedule; received <.*Constant",
        ),
        (
            lambda: optimizers.Adam(amsgrad=Constant(1.0)),
            "Adam.amsgrad must be True or False, and no schedule; received",
        ),
    ],
)
def test_bad_schedules_are_refused(make: Any, message: str):
    with pytest.raises(ValueError, match=f"^{message}"):
        make()


def test_epochs_reach_hyperparameters_too():
    from keras_neural_opt.training._epochs import count_epochs

    optimizer = optimizers.SGD(0.1, LinearDecay(0.9, 1.5, unit="epoch"))
    count_epochs("test", optimizer, 10)
    assert optimizer.momentum(15) == 0.0
    assert optimizer.momentum.get_config()["decay_steps"] == 15


@pytest.mark.parametrize("way", WAYS)
def test_a_momentum_may_pass_through_zero(way: str):
    rate, momentum = Constant(0.1), LinearDecay(0.0, STEPS, 0.8)
    result = run(optimizers.SGD(rate, momentum), start_values(), gradients(), way)
    assert_follows(result.trajectory, by_hand(False, rate, momentum), start_values())


def test_what_follows_a_schedule_is_not_compiled_for_each_value():
    optimizer = optimizers.SGD(0.1, LinearDecay(0.9, STEPS), compile_update=True)
    run(optimizer, start_values(), gradients())  # Without a warning that it gives up.
    assert not optimizer._plan.step.compiles


@pytest.mark.parametrize("name", ["momentum", "weight_decay"])
def test_only_a_learning_rate_waits_for_a_plateau(name: str):
    with pytest.raises(ValueError, match=rf"^SGD.{name} must not wait for a plateau; received <"):
        optimizers.SGD(0.1, **{name: ReduceOnPlateau(0.5)})


def test_a_refused_build_builds_nothing():
    schedule, variable = ReduceOnPlateau(0.5), keras.Variable([1.0])
    optimizers.SGD(schedule).build([variable])
    optimizer = optimizers.SGD(schedule)
    with pytest.raises(ValueError, match="must not be in two optimizers"):
        optimizer.build([variable])
    assert not optimizer.built
