"""Rates that follow the gap between the losses."""

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt import layers
from keras_neural_opt.callbacks import AdaptiveDropoutRate, DropoutScheduler
from tests.layers.probe import BATCH, FIT_WAYS, assert_used, data, probed

X = np.ones((8, 1), "float32")


@keras.saving.register_keras_serializable("tests")
class Scaled(keras.layers.Layer):
    """Multiplies by 1 - rate in training: what the step computed says which rate it had."""

    def __init__(self, start: float = 0.2, **options: Any) -> None:
        super().__init__(**options)
        self.start = start

    def build(self, input_shape: Any) -> None:
        self.rate = self.add_weight((), keras.initializers.Constant(self.start), name="rate", trainable=False)

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs * (1.0 - self.rate) if training else inputs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "start": self.start}


def mean(y: Any, outputs: Any) -> Any:
    return keras.ops.mean(outputs * y, axis=-1)


def make(*layers: Any) -> Any:
    # A weight that stands still: Keras warns of a model without one.
    one = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), *layers, one])
    model.compile(keras.optimizers.SGD(0.0), mean)
    return model


def fit(model: Any, callback: Any, epochs: int, weight: float = 1.0, **options: Any) -> Any:
    # The training loss is 1 - rate, that of validation `weight`.
    validation = {"validation_data": (X, weight * X), **options}
    return model.fit(X, X, 4, epochs=epochs, verbose=0, callbacks=[callback], **validation).history


def rule(rate: float, weight: float, epochs: int, upper: float, lower: float) -> list[float]:
    rates = []
    for _ in range(epochs):
        gap = (weight - (1 - rate)) / abs(weight)
        rate += 0.05 * (gap > upper) - 0.05 * (gap < lower)
        rates.append(rate := min(max(rate, 0.1), 0.4))
    return rates


@pytest.mark.slow
@pytest.mark.parametrize(("weight", "last"), [(1.0, 0.4), (0.83, 0.35), (0.5, 0.1), (-1.0, 0.1)])
def test_the_rate_follows_the_gap_in_the_compiled_step(weight: float, last: float):
    model = make(Scaled())
    history = fit(model, AdaptiveDropoutRate(0.1, 0.05, 0.05, 0.1, 0.4), 7, weight)
    expected = rule(0.2, weight, 7, 0.1, 0.05)
    assert history["dropout_rate"] == pytest.approx(expected, rel=1e-5)
    # Each epoch computed with the rate that the one before it left.
    assert history["loss"] == pytest.approx([1 - rate for rate in [0.2, *expected[:-1]]], rel=1e-5)
    assert float(keras.ops.convert_to_numpy(model.layers[0].rate)) == pytest.approx(expected[-1])


def test_nothing_moves_between_the_gaps_nor_at_a_nan():
    callback = AdaptiveDropoutRate()
    for loss, validation, change in [
        (1.0, 1.2, 0.05), (1.0, 1.05, 0.0), (1.0, 0.9, -0.05), (0.0, 0.0, 0.0), (1.0, 0.0, -0.05), (-1.0, -0.8, 0.05),
        (-1.0, -0.95, 0.0), (-1.0, -1.2, -0.05), (float("nan"), 1.0, 0.0), (1.0, float("nan"), 0.0),
    ]:  # fmt: skip
        assert callback._change({"loss": loss, "val_loss": validation}) == change, (loss, validation)


@pytest.mark.slow
def test_it_goes_on_from_a_file(tmp_path: Path):
    whole, first = make(Scaled()), make(Scaled())
    rates = fit(whole, AdaptiveDropoutRate(), 4)["dropout_rate"]
    assert fit(first, AdaptiveDropoutRate(), 2)["dropout_rate"] == rates[:2]
    first.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", custom_objects={"mean": mean})
    assert fit(again, AdaptiveDropoutRate(), 2)["dropout_rate"] == rates[2:]


@pytest.mark.slow
def test_every_layer_moves_from_where_it_stands_also_in_nested_models():
    inner = keras.Sequential([keras.Input((1,)), Scaled(0.4, name="nested")], name="inner")
    model = make(Scaled(0.0, name="outer"), inner, keras.layers.Dropout(0.0))
    history = fit(model, AdaptiveDropoutRate(), 3)
    found = {name: values for name, values in history.items() if name.endswith("rate")}
    assert len(found) == 2
    first, second = found["outer/rate"], found["inner/nested/rate"]
    assert first == pytest.approx([0.05, 0.1, 0.15], rel=1e-5)
    assert second == pytest.approx([0.45, 0.5, 0.5], rel=1e-5)


def target(y: Any, outputs: Any) -> Any:
    # Dropout in the training loss would be in the gap.
    return keras.ops.mean(y + 0.0 * outputs, axis=-1)


def fit_real(model: Any, validation: float, *callbacks: Any, **options: Any) -> dict[str, list[float]]:
    """Train for four epochs of two batches; the loss is 1, that of validation is given."""
    model.compile(keras.optimizers.SGD(0.0), target, **options)
    (x, y), (x_new, y_new) = data(2), data(1)
    new = (x_new, validation * y_new)
    return model.fit(x, y, BATCH, epochs=4, validation_data=new, verbose=0, callbacks=[*callbacks]).history


@pytest.mark.slow
@pytest.mark.parametrize("way", FIT_WAYS)
def test_scheduled_dropout_drops_as_much_as_the_gap_says(way: str):
    model = probed(layers.ScheduledDropout(0.25))
    history = fit_real(model, 2.0, AdaptiveDropoutRate(change=0.125), **FIT_WAYS[way])
    assert history["dropout_rate"] == [0.375, 0.5, 0.5, 0.5]
    rates = [0.25, *history["dropout_rate"]]
    assert_used(model.get_layer("probe").rows(), lambda step: rates[step // 2])
    assert float(model.layers[0].rate) == 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("validation", "start", "rates"),
    [
        (2.0, 0.75, [0.75] * 4),  # stays above the maximum
        (0.5, 0.75, [0.625, 0.5, 0.375, 0.25]),  # falls to it no faster than elsewhere
        (0.5, 0.125, [0.125] * 4),  # stays below the minimum
        (2.0, 0.125, [0.25, 0.375, 0.5, 0.5]),
        (0.5, 0.375, [0.25] * 4),
    ],
)
def test_no_rate_moves_against_the_direction(validation: float, start: float, rates: list[float]):
    model = probed(layers.ScheduledDropout(start))
    callback = AdaptiveDropoutRate(change=0.125, minimum_rate=0.25, maximum_rate=0.5)
    assert fit_real(model, validation, callback)["dropout_rate"] == rates


@pytest.mark.slow
def test_layers_of_one_name_are_told_apart():
    def inner(name: str, layer: Any) -> Any:
        return keras.Sequential([layer], name=name)

    model = probed(layers.ScheduledDropout(0.0, name="drop"))
    first = inner("first", layers.ScheduledGaussianDropout(0.125, name="drop"))
    second = inner("second", layers.ScheduledDropout(0.25, name="drop"))
    model = keras.Sequential([keras.Input((1024,)), first, second, *model.layers])
    history = fit_real(model, 2.0, AdaptiveDropoutRate(change=0.125))
    assert {name: values[:2] for name, values in history.items() if "rate" in name} == {
        "first/drop/rate": [0.25, 0.375],
        "second/drop/rate": [0.375, 0.5],
        "drop/rate": [0.125, 0.25],
    }


@pytest.mark.parametrize("scheduler_first", [True, False])
def test_a_dropout_scheduler_beside_it_is_refused(scheduler_first: bool):
    model = probed(layers.ScheduledDropout(0.25))
    callbacks = [AdaptiveDropoutRate(), DropoutScheduler(lambda epoch: 0.125)]
    with pytest.raises(ValueError, match=r"^AdaptiveDropoutRate must be without DropoutScheduler"):
        fit_real(model, 2.0, *(reversed(callbacks) if scheduler_first else callbacks))
    assert (float(model.layers[0].rate), len(model.get_layer("probe").rows())) == (0.25, 0)
    # A later `fit` is another one.
    assert fit_real(model, 2.0, callbacks[0])["dropout_rate"] == pytest.approx([0.3, 0.35, 0.4, 0.45])


@pytest.mark.slow
def test_epochs_without_validation_change_nothing():
    history = fit(make(Scaled()), AdaptiveDropoutRate(), 4, validation_freq=2)
    assert history["dropout_rate"] == pytest.approx([0.2, 0.25, 0.25, 0.3], rel=1e-5)
    with pytest.warns(UserWarning, match="AdaptiveDropoutRate found no val_loss: give fit validation data"):
        fit(make(Scaled()), AdaptiveDropoutRate(), 1, validation_data=None)


def test_a_model_without_such_a_layer_is_refused():
    scheduled = Scaled()
    scheduled.schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.5)
    model = make(keras.layers.Dropout(0.5), scheduled)
    message = r"^AdaptiveDropoutRate needs a layer whose rate is a keras\.Variable, without a schedule"
    with pytest.raises(ValueError, match=rf"{message}.*with_scheduled_dropout\(model, rate\) replaces it"):
        fit(model, AdaptiveDropoutRate(), 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"upper_gap": "large"}, "upper_gap must be a finite number; received 'large'"),
        ({"lower_gap": float("nan")}, "lower_gap must be a finite number; received nan"),
        ({"lower_gap": 0.2}, "lower_gap must be at most upper_gap, 0.1; received 0.2"),
        ({"change": 0.0}, "change must be a number in (0, 1]; received 0.0"),
        ({"minimum_rate": -0.1}, "minimum_rate must be a number in [0, 1); received -0.1"),
        ({"maximum_rate": 1.0}, "maximum_rate must be a number in [0, 1); received 1.0"),
        ({"minimum_rate": 0.6}, "minimum_rate must be at most maximum_rate, 0.5; received 0.6"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=f"^AdaptiveDropoutRate.{re.escape(message)}"):
        AdaptiveDropoutRate(**arguments)
