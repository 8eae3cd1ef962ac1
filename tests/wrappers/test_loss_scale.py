"""Loss scaling: what it leaves out, how its scale moves, and that it is saved."""

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers
from tests.contracts.decay import through_json
from tests.contracts.problem import assert_follows, assert_same, gradients, start_values
from tests.contracts.running import BACKEND, run, run_on
from tests.oracles.adam import Adam
from tests.oracles.loop import Loop

WAY = "jit" if BACKEND == "jax" else "eager"


def scaled_gradients(bad: tuple[int, ...], growth: int, least: float, scale: float):
    """Return gradients multiplied as the loss is, and the scale after each step, by the paper's rule."""
    steps, scales, good = [], [], 0
    for i, step in enumerate(gradients(12)):
        given = [g * np.float32(scale) for g in step]
        if i in bad:
            given[2] = given[2] * np.float32(np.inf)
            scale, good = max(scale / 2, least), 0
        else:
            good += 1
            if good == growth:
                scale, good = 2 * scale, 0
        steps.append(given)
        scales.append(scale)
    return steps, scales


@pytest.mark.parametrize("native", [False, True])
def test_leaves_bad_steps_out_and_moves_the_scale(native: bool):
    bad = (3, 4, 5, 9)
    start = start_values()
    steps, scales = scaled_gradients(bad, growth=3, least=8.0, scale=16.0)
    inner = (keras.optimizers if native else optimizers).Adam(0.1)
    optimizer = optimizers.LossScale(inner, initial_scale=16.0, dynamic_growth_steps=3, minimum_scale=8.0)
    result = run(optimizer, start, steps, WAY)
    twin = Loop(Adam(), 0.1).start(start)
    expected = []
    for i, step in enumerate(gradients(12)):
        if i not in bad:
            twin.apply(step)
        expected.append(list(twin.variables))
    assert_follows(result.trajectory, expected, start, 1e-5)
    assert float(optimizer.dynamic_scale) == scales[-1]
    assert int(optimizer.skipped) == len(bad)


def test_saves_and_resumes(tmp_path):
    steps, _ = scaled_gradients((2,), growth=3, least=1.0, scale=16.0)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
    network.compile(optimizers.LossScale("adam", initial_scale=16.0, dynamic_growth_steps=3), "mse")
    steps = [[g[2], g[2][0]] for g in steps]
    run_on(network.optimizer, network.trainable_variables, steps[:6], WAY)
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    uninterrupted = run_on(network.optimizer, network.trainable_variables, steps[6:], WAY)
    resumed = run_on(loaded.optimizer, loaded.trainable_variables, steps[6:], WAY)
    assert_same(resumed.trajectory[-1], uninterrupted.trajectory[-1], "variables of resumed training")
    assert_same(resumed.state, uninterrupted.state, "state of resumed training")


@pytest.mark.slow
def test_trains_in_mixed_precision_without_another_wrapper():
    dtype = keras.DTypePolicy("mixed_float16")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype=dtype)])
    optimizer = optimizers.LossScale(optimizers.Adam(0.05))
    model.compile(optimizer, "mse")
    assert model.optimizer is optimizer
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    history = model.fit(x, x[:, :2], epochs=30, verbose=0).history["loss"]
    assert history[-1] < 0.05 * history[0]


def test_makes_itself_again_from_its_config():
    optimizer = optimizers.LossScale(optimizers.SGD(0.1), 64.0, 10, 2.0, name="mine")
    assert through_json(optimizer).get_config() == optimizer.get_config()


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"inner_optimizer": 1}, r"inner_optimizer must be an optimizer or the name of one"),
        ({"initial_scale": 0}, r"initial_scale must be a number > 0"),
        ({"dynamic_growth_steps": 0}, r"dynamic_growth_steps must be an integer >= 1"),
        ({"minimum_scale": -1.0}, r"minimum_scale must be a number > 0"),
        ({"initial_scale": 2.0, "minimum_scale": 4.0}, r"minimum_scale must be at most initial_scale"),
        ({"name": ""}, r"name must be None or a non-empty string"),
    ],
)
def test_refuses_bad_arguments(arguments, rule):
    with pytest.raises(ValueError, match=rf"LossScale\.{rule}"):
        optimizers.LossScale(**{"inner_optimizer": "sgd", **arguments})
