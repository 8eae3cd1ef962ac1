"""Noise is Gaussian, of the variance that the paper says, new in every step, and the same after a file."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers, transforms
from tests.contracts.problem import make_variables, read
from tests.contracts.running import COMPILED, run

COUNT = 20_000
ETA, GAMMA = 0.3, 0.55


def noises(steps: int, way: str, **options: Any) -> list[np.ndarray]:
    """Return what was added in each step to a gradient of zeros."""
    transform = transforms.GradientNoise(ETA, GAMMA, **{"seed": 1, **options})
    optimizer = optimizers.SGD(1.0, gradient_transforms=[transform])
    start = [np.zeros((COUNT,), "float32"), np.zeros((40, 30), "float32")]
    trajectory = [start, *run(optimizer, start, [start] * steps, way).trajectory]
    return [np.concatenate([(x - y).ravel() for x, y in zip(a, b, strict=True)]) for a, b in pairwise(trajectory)]


@pytest.mark.parametrize("way", ["eager", *COMPILED])
def test_mean_and_variance_are_those_of_the_paper(way: str):
    for step, noise in enumerate(noises(3, way), 1):
        variance = ETA / step**GAMMA
        # Four standard errors.
        assert abs(noise.mean()) < 4 * np.sqrt(variance / len(noise))
        assert abs(noise.var() / variance - 1) < 4 * np.sqrt(2 / len(noise))
        assert abs((noise**3).mean()) < 4 * np.sqrt(15 / len(noise)) * variance**1.5


@pytest.mark.parametrize("way", ["eager", *COMPILED])
def test_every_step_and_variable_gets_its_own(way: str):
    first, second = noises(2, way)
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(len(first))
    assert abs(np.corrcoef(first[:1200], first[COUNT:])[0, 1]) < 4 / np.sqrt(1200)


def test_a_seed_decides():
    assert np.array_equal(noises(2, "eager")[1], noises(2, "eager")[1])
    assert not np.array_equal(noises(1, "eager")[0], noises(1, "eager", seed=2)[0])
    keras.utils.set_random_seed(3)
    first = noises(1, "eager", seed=None)[0]
    keras.utils.set_random_seed(3)
    assert np.array_equal(first, noises(1, "eager", seed=None)[0])


def test_a_file_goes_on_with_the_noise_that_would_have_come(tmp_path: Path):
    def made() -> Any:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile(optimizers.SGD(0.1, gradient_transforms=[transforms.GradientNoise(seed=4)]), "mse")
        return model

    def fit(model: Any, epochs: int) -> None:
        model.fit(np.ones((8, 3)), np.ones((8, 2)), batch_size=4, epochs=epochs, shuffle=False, verbose=0)

    keras.utils.set_random_seed(5)
    whole = made()
    fit(whole, 4)
    keras.utils.set_random_seed(5)
    first = made()
    fit(first, 2)
    first.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    fit(again, 2)
    for ours, theirs in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_neighbouring_seeds_have_nothing_in_common():
    first, second = noises(3, "eager", seed=1), noises(3, "eager", seed=2)
    assert not any(
        np.array_equal(x / np.std(x), y / np.std(y)) or np.corrcoef(x, y)[0, 1] > 0.5 for x in first for y in second
    )


def test_nothing_is_hidden_and_nothing_breaks():
    variables = make_variables([np.zeros(3), np.zeros((0, 2)), np.zeros(())])
    optimizer = optimizers.SGD(1.0, gradient_transforms=[transforms.GradientNoise(seed=1)])
    bad = keras.ops.convert_to_tensor(np.array([1.0, np.nan, np.inf], "float32"))
    optimizer.apply([bad, keras.ops.zeros((0, 2)), keras.ops.zeros(())], variables)
    values = read(variables)
    assert np.isnan(values[0][1])
    assert np.isinf(values[0][2])
    assert values[2] != 0


def test_half_precision_gets_noise_of_its_own_kind():
    variables = make_variables([np.zeros((1000,))], "float16")
    optimizer = optimizers.SGD(1.0, gradient_transforms=[transforms.GradientNoise(seed=1)])
    optimizer.apply([keras.ops.zeros((1000,), "float16")], variables)
    assert abs(read(variables)[0].std() / 0.1 - 1) < 0.1
