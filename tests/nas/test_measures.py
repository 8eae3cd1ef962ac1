import time

import keras
import numpy as np
import pytest

from keras_neural_opt.nas import estimate_memory, measure_latency
from keras_neural_opt.nas._measures import MEASURES, measured


def dense(units: int, inputs: int = 8) -> keras.Model:
    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(units)])


def test_a_network_of_more_work_takes_longer() -> None:
    assert 0.0 < measure_latency(dense(4), repeats=9) < measure_latency(dense(6000, 6000), repeats=9)


@pytest.mark.backend_free
def test_the_first_predictions_which_compile_are_not_timed() -> None:
    calls = []

    class Counted(keras.Sequential):
        def predict_on_batch(self, x: object) -> object:
            calls.append(x.shape)
            time.sleep(0.05 if len(calls) <= 5 else 0.0)
            return super().predict_on_batch(x)

    latency = measure_latency(Counted([keras.Input((8,)), keras.layers.Dense(2)]), batch_size=3, repeats=4)
    assert calls == [(3, 8)] * 9
    assert latency < 50.0


@pytest.mark.backend_free
def test_memory_is_that_of_the_weights_and_the_widest_layer() -> None:
    model = keras.Sequential(
        [keras.Input((10,)), keras.layers.Dense(100), keras.layers.Dense(50, use_bias=False), keras.layers.Dense(1)]
    )
    weights = 10 * 100 + 100 + 100 * 50 + 50 + 1
    assert estimate_memory(model) == pytest.approx(4 * (weights + 100 + 50) / 1e6)
    half = keras.Sequential([keras.Input((10,), dtype="float16"), keras.layers.Dense(100, dtype="float16")])
    assert estimate_memory(half) == pytest.approx(2 * (10 * 100 + 100 + 10 + 100) / 1e6)


@pytest.mark.backend_free
def test_only_what_is_asked_for_is_measured() -> None:
    model = dense(2, 3)
    assert measured(model, ["params", "flops"]) == {"params": 8.0, "flops": 6.0}
    assert set(MEASURES) == {"params", "flops", "memory_mb", "latency_ms"}


@pytest.mark.backend_free
def test_a_shape_that_nobody_knows_is_refused() -> None:
    model = keras.Sequential([keras.Input((None, 2)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"measure_latency.model must have inputs of a known shape; received"):
        measure_latency(model)
    with pytest.raises(ValueError, match=r"measure_latency.repeats must be an integer >= 1; received 0"):
        measure_latency(dense(1), repeats=0)
    assert np.isfinite(estimate_memory(dense(1)))
