"""Decay relative to the largest learning rate so far."""

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers
from tests.contracts.problem import assert_follows, assert_same, gradients, make_variables, read, start_values
from tests.contracts.running import WAYS, run, run_on
from tests.oracles.adam import Adam
from tests.oracles.loop import Loop

# Up, over, down and half-way up again.
RATES = (0.0, 0.01, 0.04, 0.04, 0.02, 0.01, 0.03, 0.03, 0.03, 0.03)


def adam():
    boundaries = list(range(len(RATES) - 1))
    rate = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, list(RATES))
    return optimizers.Adam(rate, weight_decay=0.4, weight_decay_mode="corrected")


@pytest.mark.parametrize("way", WAYS)
def test_the_peak_is_the_largest_rate_so_far(way: str):
    start = start_values()
    loop = Loop(Adam(), RATES.__getitem__, weight_decay=0.4, weight_decay_mode="corrected").start(start)
    result = run(adam(), start, gradients(), way)
    assert_follows(result.trajectory, loop.run(gradients()), start)
    peak = result.optimizer.state_by_role()["peak_learning_rate"]
    assert float(read([peak])[0]) == np.float32(max(RATES))


def test_the_peak_is_saved():
    whole, store = run(adam(), start_values(), gradients()), {}
    first = run(adam(), start_values(), gradients()[:5])
    first.optimizer.save_own_variables(store)
    resumed, variables = adam(), make_variables(read(first.variables))
    resumed.load_own_variables(store)
    run_on(resumed, variables, gradients()[5:])
    assert_same(read(variables), read(whole.variables), "variables of the resumed training")


def test_decay_may_come_after_the_optimizer_is_built():
    optimizer, variable = optimizers.SGD(0.1, weight_decay_mode="corrected"), keras.Variable([1.0])
    optimizer.build([variable])
    optimizer.weight_decay = 0.5
    optimizer.apply([keras.ops.zeros(1)], [variable])
    np.testing.assert_allclose(variable.numpy(), [0.95], rtol=1e-6)
