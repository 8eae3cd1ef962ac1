"""The rate of each epoch, seen in the outputs of the layers."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt import layers, schedules
from tests.layers.probe import BATCH, FIT_WAYS, assert_used, data, probed

DropoutScheduler = kno.callbacks.DropoutScheduler


def fit(model: keras.Model, *callbacks: Any, epochs: int = 4, **options: Any) -> dict[str, list[float]]:
    model.compile("sgd", "mse", **options)
    return model.fit(*data(2), BATCH, epochs=epochs, validation_data=data(1), verbose=0, callbacks=[*callbacks]).history


@pytest.mark.slow
@pytest.mark.parametrize("way", FIT_WAYS)
def test_each_epoch_has_its_rate(way: str):
    model = probed(layers.ScheduledDropout(0.4))
    history = fit(model, DropoutScheduler(schedules.LinearDecay(0.5, 2)), **FIT_WAYS[way])
    assert history["dropout_rate"] == [0.5, 0.25, 0.0, 0.0]
    assert_used(model.get_layer("probe").rows(), lambda step: history["dropout_rate"][step // 2])
    assert float(model.layers[0].rate) == 0.0


SOURCES: dict[str, tuple[Any, list[float]]] = {
    "function": (lambda epoch: 0.125 * epoch, [0.0, 0.125, 0.25]),
    "in epochs": (schedules.EarlyDropout(0.5, 2, unit="epoch"), [0.5, 0.5, 0.0]),
    "auto": (schedules.LateDropout(0.5, 1, unit="auto"), [0.0, 0.5, 0.5]),
    "native": (keras.optimizers.schedules.PolynomialDecay(0.5, 2, 0.25), [0.5, 0.375, 0.25]),
}


def small(*dropout: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), *dropout, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def fit_small(model: keras.Model, *callbacks: Any, **options: Any) -> dict[str, list[float]]:
    x = np.ones((2, 4), "float32")
    return model.fit(x, x[:, :1], **{"epochs": 3} | options, verbose=0, callbacks=list(callbacks)).history


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_a_schedule_counts_epochs_whatever_its_unit(name: str):
    source, rates = SOURCES[name]
    model = small(layers.ScheduledDropout(0.1))
    assert fit_small(model, DropoutScheduler(source))["dropout_rate"] == rates
    # A resumed training gets the rate of the epoch's number.
    assert fit_small(model, DropoutScheduler(source), initial_epoch=2)["dropout_rate"] == rates[2:]


@pytest.mark.slow
def test_groups_of_layers():
    first, second = layers.ScheduledDropout(0.1, name="body_1"), layers.ScheduledGaussianDropout(0.1, name="head")
    own = layers.ScheduledDropout(schedules.Constant(0.3), name="body_2")
    model = small(first, second, own, keras.layers.Dropout(0.5, name="plain"))
    history = fit_small(
        model,
        DropoutScheduler(lambda epoch: 0.5, ["body", "!2"], name="body"),
        DropoutScheduler(lambda epoch: 0.25, ["head"], name="head"),
        kno.callbacks.LogHyperparameters(),
    )
    assert history["body"] == [0.5] * 3
    assert history["head"] == [0.25] * 3
    assert history["body_2/rate"] == pytest.approx([0.3] * 3)
    assert "body_1/rate" not in history
    assert [float(layer.rate) for layer in (first, second, own)] == pytest.approx([0.5, 0.25, 0.3])


@pytest.mark.slow
def test_layers_of_one_name_are_told_apart():
    def inner(name: str, rate: Any) -> keras.Model:
        return keras.Sequential([layers.ScheduledDropout(rate, name="drop")], name=name)

    own = [inner(f"own_{number}", schedules.Constant(number / 8)) for number in (1, 2)]
    first, second = inner("first", 0.125), inner("second", 0.25)
    model = small(*own, first, second)
    history = fit_small(model, DropoutScheduler(lambda epoch: 0.5, ["second/drop"]), kno.callbacks.LogHyperparameters())
    assert [float(each.layers[0].rate) for each in (first, second)] == [0.125, 0.5]
    assert {name: values for name, values in history.items() if name.endswith("drop/rate")} == {
        "own_1/drop/rate": [0.125] * 3,
        "own_2/drop/rate": [0.25] * 3,
    }
    with pytest.raises(ValueError, match=r"received \['third'\], and there are own_1/drop, own_2/drop, first/drop"):
        fit_small(model, DropoutScheduler(lambda epoch: 0.5, ["third"]))


@pytest.mark.slow
def test_all_layers_are_those_without_a_schedule():
    free, own = layers.ScheduledDropout(0.1), layers.ScheduledDropout(schedules.Constant(0.375))
    fit_small(small(keras.Sequential([free]), own), DropoutScheduler(lambda epoch: 0.5))
    assert (float(free.rate), float(own.rate)) == (0.5, 0.375)


@pytest.mark.slow
def test_with_scheduled_dropout_makes_a_model_for_it():
    model = layers.with_scheduled_dropout(small(keras.layers.Dropout(0.5)), 0.0)
    model.compile("sgd", "mse")
    assert fit_small(model, DropoutScheduler(schedules.StepDecay(0.5, 1, 0.5)))["dropout_rate"] == [0.5, 0.25, 0.125]


def ordinary() -> keras.Model:
    return small(layers.ScheduledDropout(0.5), keras.layers.Dropout(0.5, name="plain"))


def scheduled() -> keras.Model:
    return small(layers.ScheduledDropout(schedules.Constant(0.5), name="own"))


@pytest.mark.parametrize(
    ("make", "chosen", "message"),
    [
        (
            ordinary,
            None,
            r"layers must be layers whose rate .*received plain\..*with_scheduled_dropout",
        ),
        (ordinary, ["pl"], "layers must be layers whose rate is not compiled into the step; received plain"),
        (scheduled, ["own"], "layers must have no schedule of their own; received own"),
        (scheduled, None, "layers must choose at least one .*; received None, and there are own"),
        (small, ["a"], r"layers must choose at least one .*; received \['a'\], and there are none"),
    ],
)
def test_models_that_it_cannot_change_are_refused(make: Callable[[], Any], chosen: Any, message: str):
    with pytest.raises(ValueError, match=rf"^DropoutScheduler\.{message}"):
        fit_small(make(), DropoutScheduler(lambda epoch: 0.5, chosen))


def test_a_function_that_leaves_the_range_is_stopped():
    model = small(layers.ScheduledDropout(0.25))
    with pytest.raises(ValueError, match=r"^DropoutScheduler.schedule must be a number in \[0, 1\); received 1.5"):
        fit_small(model, DropoutScheduler(lambda epoch: 1.5))
    assert float(model.layers[0].rate) == 0.25


RULES = {
    "schedule": "a LearningRateSchedule of numbers in [0, 1) or a function of the epoch",
    "layers": "None or a list of regular expressions",
    "name": "a non-empty string",
}
BAD = {
    "schedule": (0.5, None, "linear", schedules.LinearDecay, schedules.Constant(1.5), schedules.Noam(1, 1, 2.0)),
    "layers": ("drop", [], [1], ["("], 3, {"a"}),
    "name": ("", 1, None),
}


@pytest.mark.parametrize("argument", BAD)
def test_bad_arguments_are_refused(argument: str):
    for bad in BAD[argument]:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared
            DropoutScheduler(**{"schedule": len, argument: bad})
        assert str(refused.value).startswith(f"DropoutScheduler.{argument} must be {RULES[argument]}; received {bad!r}")
