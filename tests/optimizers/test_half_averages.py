"""Averages of half-precision weights: kept in half precision they would stop far from the mean."""

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers
from tests.contracts.problem import read
from tests.contracts.running import WAYS, run_on

STEPS = 400
AVERAGED = {
    "ExponentialMovingAverage": (
        lambda: optimizers.ExponentialMovingAverage(optimizers.SGD(1.0), 0.998), 1 - 0.998 ** (STEPS - 1)
    ),
    "StochasticWeightAveraging": (
        lambda: optimizers.StochasticWeightAveraging(optimizers.SGD(1.0), start_step=1), 1 - 1 / STEPS
    ),
    "SWAG": (lambda: optimizers.SWAG(optimizers.SGD(1.0), start_step=1, rank=2), 1 - 1 / STEPS),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", AVERAGED)
def test_an_average_reaches_the_mean(name: str, dtype: str, way: str):
    """A weight that is 0 for a step and 1 from then on: each further step adds less than half precision can hold."""
    make, expected = AVERAGED[name]
    variable = keras.Variable(np.zeros(3), dtype=dtype)
    steps = [[np.full(3, -1.0 if k == 1 else 0.0, "float32")] for k in range(STEPS)]
    optimizer = make()
    run_on(optimizer, [variable], steps, way)
    np.testing.assert_array_equal(read([variable])[0].astype("float32"), np.ones(3))
    optimizer.finalize_variable_values([variable])
    assert variable.dtype == dtype
    np.testing.assert_allclose(read([variable])[0].astype("float32"), np.full(3, expected), rtol=2**-8)


def test_swag_draws_half_precision_weights():
    variable = keras.Variable(np.zeros(3), dtype="bfloat16")
    optimizer = optimizers.SWAG(optimizers.SGD(1.0), start_step=1, rank=2)
    run_on(optimizer, [variable], [[np.full(3, float(k), "float32")] for k in range(4)], WAYS[0])
    optimizer.sample(seed=0)
    drawn = read([variable])[0].astype("float32")
    assert np.all(np.isfinite(drawn))
    assert len(set(drawn)) == 3


@pytest.mark.parametrize("way", WAYS)
def test_every_overwriting_casts(way: str):
    variable = keras.Variable(np.zeros(3), dtype="bfloat16")
    optimizer = optimizers.ExponentialMovingAverage(optimizers.SGD(1.0), 0.5, overwrite_frequency=2)
    run_on(optimizer, [variable], [[np.zeros(3, "float32")], [np.full(3, -1.0, "float32")]], way)
    np.testing.assert_array_equal(read([variable])[0].astype("float32"), np.full(3, 0.5))
