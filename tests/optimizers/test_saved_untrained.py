"""A model that was compiled and saved before anybody trained it."""

from pathlib import Path

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers

OPTIMIZERS = {
    "AdamW": lambda: optimizers.AdamW(0.1),
    "Lookahead": lambda: optimizers.Lookahead(optimizers.SGD(0.1)),
    "GradientAccumulation": lambda: optimizers.GradientAccumulation(optimizers.Adam(0.1), 2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_loads_and_trains_as_the_first_one_does(name: str, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(OPTIMIZERS[name](), "mse")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.linspace(-1.0, 1.0, 32).reshape(-1, 2)
    for each in (model, loaded):
        each.fit(x, x.sum(axis=1), epochs=2, shuffle=False, verbose=0)
    for mine, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_what_was_saved_untrained_does_not_replace_a_training(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizers.AdamW(0.1), "mse")
    model.save_weights(tmp_path / "model.weights.h5")
    model.fit(np.ones((4, 2)), np.ones(4), verbose=0)
    with pytest.raises(ValueError, match="the saved one had 0"):
        model.load_weights(tmp_path / "model.weights.h5")
