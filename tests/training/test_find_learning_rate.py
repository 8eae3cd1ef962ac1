"""The range test: what it sees is right, and it leaves nothing behind."""

import re
from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt import optimizers
from keras_neural_opt.training import LearningRateRange, TrainingState

X = np.random.default_rng(0).normal(size=(70, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def linear_model(optimizer: Any) -> Any:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)])
    model.compile(optimizer, "mse")
    return model


def test_each_loss_is_its_own_batchs_at_its_own_rate():
    # The batches are seen in order, the last of an epoch is smaller, and there are two epochs.
    class Ordered(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 5

        def __getitem__(self, i: int) -> Any:
            return X[16 * i : 16 * i + 16], 0 * Y[16 * i : 16 * i + 16]

    found = kno.find_learning_rate(linear_model(optimizers.SGD(0.3)), Ordered(), 1e-3, 1e-1, steps=10, shuffle=False)
    weights = np.ones((3, 1))
    for step, (rate, loss) in enumerate(zip(found.rates, found.losses, strict=True)):
        x = X[16 * (step % 5) : 16 * (step % 5) + 16].astype("float64")
        errors = x @ weights
        assert rate == pytest.approx(1e-3 * 100 ** (step / 9))
        assert loss == pytest.approx(float((errors**2).mean()), rel=1e-5), step
        weights -= rate * 2 * x.T @ errors / len(x)


def test_linear_spacing():
    found = kno.find_learning_rate(linear_model(optimizers.SGD()), (X, Y + 1), 0.001, 0.1, 12, spacing="linear")
    np.testing.assert_allclose(found.rates, np.linspace(0.001, 0.1, 12), rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.Adam(0.01),
        lambda: optimizers.SGD(kno.schedules.CosineAnnealing(0.01, 100), momentum=0.9),
        lambda: optimizers.Lookahead(optimizers.AdamW(0.01)),
        lambda: keras.optimizers.Adam(0.01),
    ],
    ids=["Adam", "schedule", "Lookahead", "native"],
)
@pytest.mark.parametrize("trained_before", [False, True])
def test_nothing_is_left_behind(make: Any, trained_before: bool):
    def fit(model: Any) -> list[float]:
        return model.fit(X, Y, batch_size=8, epochs=2, verbose=0).history["loss"]

    def run(searches: bool) -> Any:
        keras.utils.set_random_seed(2)
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(8), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        )
        model.compile(make(), "mse")
        seen = fit(model) if trained_before else []
        if searches:
            kno.find_learning_rate(model, (X, Y), steps=30, batch_size=8)
        return [
            *seen,
            *fit(model),
            int(model.optimizer.iterations),
            *np.concatenate([w.ravel() for w in model.get_weights()]),
        ]

    assert run(True) == run(False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.SGD(0.1, gradient_accumulation_steps=4),
        lambda: optimizers.GradientAccumulation(optimizers.SGD(0.1), 4),
    ],
    ids=["own", "wrapper"],
)
def test_accumulated_steps_reach_the_last_rate_too(make: Any):
    found = kno.find_learning_rate(linear_model(make()), (X, Y + 1), 1e-4, 1e-2, steps=44, batch_size=10)
    assert len(found.rates) == 11
    assert found.rates == pytest.approx(list(np.geomspace(1e-4, 1e-2, 11)), rel=1e-5)


def test_too_few_steps_of_the_optimizer_are_refused():
    model = linear_model(optimizers.GradientAccumulation(optimizers.SGD(), 16))
    with pytest.raises(ValueError, match=r"^find_learning_rate\.steps must be at least 160, .*; received 14$"):
        kno.find_learning_rate(model, (X, Y), steps=14)


def test_several_optimizers_get_the_rates():
    several = keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(optimizers.Adam(0.01), {".*kernel": optimizers.SGD(0.02)})
    )
    assert len(kno.find_learning_rate(linear_model(several), (X, Y), 1e-4, 1e-2, 20).rates) == 20
    rates = [float(keras.ops.convert_to_numpy(each.learning_rate)) for each in several.optimizers]
    assert sorted(rates) == [pytest.approx(0.01), pytest.approx(0.02)]


def test_momentum_in_epochs_is_told_their_length():
    momentum = kno.schedules.OneCycleMomentum(3, unit="epoch")
    assert len(kno.find_learning_rate(linear_model(optimizers.SGD(0.1, momentum)), (X, Y), 1e-4, 1e-2, 20).rates) == 20


def test_the_history_and_the_execution_stay():
    model, several = linear_model(optimizers.SGD(0.1)), 1 if keras.backend.backend() == "torch" else 3
    model.compile(optimizers.SGD(0.1), "mse", steps_per_execution=several)
    history = model.fit(X, Y, verbose=0)
    assert len(kno.find_learning_rate(model, (X, Y), 1e-4, 1e-2, 20).rates) == 20
    assert model.history is history
    assert model.steps_per_execution == several


def test_it_ends_when_the_loss_blows_up():
    found = kno.find_learning_rate(linear_model(optimizers.SGD()), (X, Y * 3), 1e-3, 1e3, steps=60)
    assert 10 <= len(found.rates) < 60
    assert all(np.isfinite(found.losses))
    assert found.rates[-1] > found.suggestion > 1e-3


def test_an_error_leaves_nothing_behind_either():
    model = linear_model(optimizers.SGD(0.5))
    before = TrainingState.capture(model)
    with pytest.raises(RuntimeError, match=r"find_learning_rate: the loss blew up after \d+ steps.*smaller minimum"):
        kno.find_learning_rate(model, (X * 1e4, Y), 1.0, 2.0, 20)
    for x, y in zip(before.model, TrainingState.capture(model).model, strict=True):
        np.testing.assert_array_equal(x, y)
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == 0.5


def curve(losses: Any, rule: str = "middle") -> LearningRateRange:
    return LearningRateRange(list(np.logspace(-4, 0, len(losses))), list(losses), rule)


def test_the_suggestions_of_a_known_curve():
    at = np.linspace(-4, 0, 81)
    losses = 1 - 1 / (1 + np.exp(-6 * (at + 2))) + np.maximum(0, at + 0.5) ** 2 * 20
    suggestions = curve(losses).suggestions
    assert np.log10(suggestions["steepest"]) == pytest.approx(-2, abs=0.06)
    assert np.log10(suggestions["minimum"]) == pytest.approx(at[losses.argmin()] - 1, abs=0.2)
    # It falls at four fifths of its fastest for the last time where the logistic curve is at 0.28 of its way down.
    end_of_fall = -2 + np.log((1 + 5**-0.5) / (1 - 5**-0.5)) / 6
    assert np.log10(suggestions["middle"]) == pytest.approx((end_of_fall + at[losses.argmin()]) / 2, abs=0.1)
    assert curve(losses).suggestion == suggestions["middle"]
    assert -2.5 < np.log10(suggestions["valley"]) < -1
    assert curve(losses, "steepest").suggestion == suggestions["steepest"]
    assert re.search(
        r"^middle .*\nsteepest +0\.01\n.*\nminimum +0\.0\d+ +<- suggestion$",
        curve(losses, "minimum").table(),
        re.DOTALL,
    )


def test_the_picture_shows_losses_and_suggestions():
    axes = curve(np.cos(np.linspace(0, 3, 40)) + 1).plot().axes[0]
    assert axes.get_xscale() == "log"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels[:2] == ["a batch's loss", "smoothed"]
    assert any(re.fullmatch(r"middle: .*, suggested", label) for label in labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minimum": 0.0}, "find_learning_rate.minimum must be a number > 0; received 0.0"),
        ({"maximum": 1e-9}, "find_learning_rate.maximum must be above minimum; received 1e-09, minimum 1e-06"),
        ({"steps": 9}, "find_learning_rate.steps must be an integer >= 10; received 9"),
        ({"spacing": "log"}, "find_learning_rate.spacing must be one of 'exponential', 'linear'; received 'log'"),
        ({"stop_factor": -1}, "find_learning_rate.stop_factor must be a number > 0; received -1"),
        ({"batch_size": 0}, "find_learning_rate.batch_size must be an integer >= 1; received 0"),
        (
            {"rule": "best"},
            "find_learning_rate.rule must be one of 'middle', 'steepest', 'valley', 'minimum'; received 'best'",
        ),
        ({"data": [1, 2]}, "find_learning_rate.data must be a dataset, an array, or tuples"),
        ({"data": (x for x in [(X, Y)])}, "find_learning_rate.data must know its length"),
        (
            {"model": keras.Sequential([keras.layers.Dense(1)])},
            "find_learning_rate.model must be a compiled Keras model",
        ),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str):
    arguments = {"model": linear_model(optimizers.SGD()), "data": (X, Y), **options}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        kno.find_learning_rate(**arguments)
