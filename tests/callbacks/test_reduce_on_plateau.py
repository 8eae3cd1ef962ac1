"""The rate falls on a plateau: by Keras' rule, over any schedule, without compiling again, and never forgetting."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt import optimizers, schedules
from keras_neural_opt.callbacks import ReduceOnPlateau
from keras_neural_opt.schedules._reduce_on_plateau import plateau

START = schedules.ReduceOnPlateau(0.1).state
SETTINGS: list[dict[str, Any]] = [
    {"factor": 0.5, "patience": 1},
    {"factor": 0.5, "patience": 3, "cooldown": 2},
    {"factor": 0.3, "patience": 2, "min_delta": 0.05, "min_lr": 0.01},
    {"factor": 0.5, "patience": 2, "mode": "max"},
    {"factor": 0.5, "patience": 2, "cooldown": 1, "monitor": "val_acc"},
]


def metrics(count: int = 60) -> list[float]:
    """A loss that falls, gets stuck and jitters."""
    rng = np.random.default_rng(3)
    return (np.exp(-np.arange(count) / 12).round(1) + 0.1 + rng.choice([0.0, 0.02, -0.02], count)).tolist()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_falls_when_that_of_keras_does(settings: dict[str, Any]):
    native = keras.callbacks.ReduceLROnPlateau(**{"monitor": "val_loss", **settings})
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.4), "mse", metrics=[])
    native.set_model(model)
    native.on_train_begin()
    # Keras asks the compiled metrics for the direction of other names.
    large = "max" in settings.values() or "val_acc" in settings.values()
    native.monitor_op, native.min_delta = (np.greater, native.min_delta) if large else (np.less, -native.min_delta)
    state, ours = START, schedules.ReduceOnPlateau(0.4, **settings)
    falls = 0
    for epoch, value in enumerate(metrics()):
        native.on_epoch_end(epoch, {ours.monitor: value})
        before = state["plateau_factor"]
        state = plateau(ours, state, value, 0.4 * before)
        falls += state["plateau_factor"] < before
        assert 0.4 * state["plateau_factor"] == pytest.approx(float(model.optimizer.learning_rate), rel=1e-6), epoch
    assert falls > 1


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
@pytest.mark.parametrize("cooldown", [0, 3])
def test_it_falls_when_that_of_torch_does(mode: str, threshold_mode: str, cooldown: int):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, factor=0.5, patience=2, threshold=0.03, threshold_mode=threshold_mode, cooldown=cooldown,
        min_lr=0.002,
    )  # fmt: skip
    # torch waits for more bad epochs than its patience, and counts none in the last epoch of its cooldown.
    rest = {"cooldown": cooldown + bool(cooldown), "mode": mode, "min_lr": 0.002}
    ours = schedules.ReduceOnPlateau(0.4, 0.5, patience=3, min_delta=0.03, threshold_mode=threshold_mode, **rest)
    state = START
    for epoch, value in enumerate(metrics()):
        theirs.step(value)
        state = plateau(ours, state, value, 0.4 * state["plateau_factor"])
        assert 0.4 * state["plateau_factor"] == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9), epoch
    assert state["plateau_factor"] < 0.3


X = np.linspace(-1.0, 1.0, 32, dtype="float32").reshape(16, 2)
Y = X[:, :1] * 0.0
TRACES: list[int] = []


def stuck(y: Any, prediction: Any) -> Any:
    """A loss that is never better than 1, and whose gradient is 1 everywhere."""
    TRACES.append(1)
    return keras.ops.mean(prediction, axis=-1) - keras.ops.stop_gradient(keras.ops.mean(prediction, axis=-1)) + 1.0


def stuck_model(optimizer: Any) -> Any:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(optimizer, stuck)
    return model


def fit(model: Any, epochs: int, callbacks: Any, **options: Any) -> Any:
    arguments = {"batch_size": 4, "shuffle": False, "verbose": 0, **options}
    return model.fit(X, Y, epochs=epochs, callbacks=callbacks, **arguments)


def rate_of(model: Any) -> float:
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def bias_of(model: Any) -> float:
    return float(model.get_weights()[1][0])


@pytest.mark.parametrize(
    "rate",
    [
        0.5,
        schedules.LinearDecay(0.5, 40),
        keras.optimizers.schedules.PolynomialDecay(0.5, 40, 0.0),
        schedules.Warmup(schedules.LinearDecay(0.5, 37), 3),
    ],
    ids=["constant", "ours", "native", "nested"],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_fit_scales_any_rate_without_compiling_again(rate: Any, wrapped: bool):
    optimizer: Any = optimizers.SGD(rate)
    model = stuck_model(optimizers.Lookahead(optimizer, sync_period=1, slow_step_size=1.0) if wrapped else optimizer)
    TRACES.clear()
    shown = kno.callbacks.LogHyperparameters()
    history = fit(model, 2, [ReduceOnPlateau(monitor="loss", factor=0.5, patience=2), shown]).history
    traces = len(TRACES)
    assert history["learning_rate"] == pytest.approx([value(rate, 4), value(rate, 8)], rel=1e-6)
    history = fit(model, 4, [ReduceOnPlateau(), shown]).history
    factors = [0.5, 0.5, 0.25, 0.25]  # The first epoch is the best, and every second one after it is one too many.
    assert history["learning_rate"] == pytest.approx(
        [factor * value(rate, 4 * epoch) for factor, epoch in zip(factors, (3, 4, 5, 6), strict=True)], rel=1e-6
    )
    if keras.backend.backend() != "torch":
        assert len(TRACES) == traces
    # Every step moved the bias by minus the rate that it had.
    at = [1, 1, 1, 0.5, 0.5, 0.25]
    moved = sum(factor * value(rate, 4 * epoch + step) for epoch, factor in enumerate(at) for step in range(4))
    assert bias_of(model) == pytest.approx(-moved, rel=1e-5)


def test_windows_that_were_compiled_in_must_be_settings_too():
    model = stuck_model(optimizers.SGD(schedules.ReduceOnPlateau(0.5, monitor="loss", every_steps=2)))
    with pytest.raises(ValueError, match=r"must have no settings, or those of the schedule .* received {'every_steps'"):
        fit(model, 1, [ReduceOnPlateau(monitor="loss")])
    fit(model, 1, [ReduceOnPlateau(monitor="loss", every_steps=2)])
    fit(model, 1, [ReduceOnPlateau()])


def value(rate: Any, step: int) -> float:
    return float(keras.ops.convert_to_numpy(rate(step))) if callable(rate) else rate


@pytest.mark.parametrize("built_before", [False, True])
def test_a_resumed_run_equals_the_uninterrupted_one(built_before: bool, tmp_path: Path):
    def make() -> Any:
        model = stuck_model(optimizers.Adam(schedules.LinearDecay(0.5, 100)))
        if built_before:
            model.optimizer.build(model.trainable_variables)
        return model

    settings = {"monitor": "loss", "factor": 0.5, "patience": 3, "cooldown": 1}
    whole = make()
    fit(whole, 9, [ReduceOnPlateau(**settings)])
    first = make()
    fit(first, 5, [ReduceOnPlateau(**settings)])
    first.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", custom_objects={"stuck": stuck})
    state = again.optimizer._learning_rate.state
    assert state == first.optimizer._learning_rate.state
    assert state["plateau_factor"] == 0.5
    assert state["plateau_wait"] > 0
    fit(again, 4, [ReduceOnPlateau(**settings)])
    assert again.optimizer._learning_rate.state == whole.optimizer._learning_rate.state
    for ours, theirs in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_windows_of_steps_see_the_mean_of_their_batches():
    seen: list[float] = []

    class Remembers(schedules.ReduceOnPlateau):
        def observe(self, value: float, rate: float) -> bool:
            seen.append(value)
            return super().observe(value, rate)

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(optimizers.SGD(Remembers(0.0, monitor="loss", every_steps=2)), "mse")
    losses = [model.evaluate(X[i : i + 2], Y[i : i + 2], verbose=0) for i in range(0, 16, 2)]
    fit(model, 2, [ReduceOnPlateau()], batch_size=2)
    means = [(a + b) / 2 for a, b in zip(losses[::2], losses[1::2], strict=True)]
    assert seen == pytest.approx(2 * means, rel=1e-5)


def test_native_optimizers_with_a_constant_rate():
    model = stuck_model(keras.optimizers.SGD(0.5))
    plateau = ReduceOnPlateau(monitor="loss", factor=0.5, patience=2)
    fit(model, 3, [plateau])
    assert rate_of(model) == 0.25
    fit(model, 2, [plateau])
    assert rate_of(model) == 0.125


def test_native_optimizers_with_a_schedule_are_refused():
    model = stuck_model(keras.optimizers.SGD(schedules.LinearDecay(0.5, 10)))
    with pytest.raises(ValueError, match="needs a number as the rate of one of Keras' own"):
        fit(model, 1, [ReduceOnPlateau(monitor="loss")])


def test_other_settings_than_those_of_the_schedule_are_refused():
    model = stuck_model(optimizers.SGD(schedules.ReduceOnPlateau(0.5, patience=3)))
    with pytest.raises(ValueError, match=r"ReduceOnPlateau must have no settings.*received {'patience': 4}"):
        fit(model, 1, [ReduceOnPlateau(patience=4)])
    with pytest.raises(ValueError, match=r"^ReduceOnPlateau.patience must be an integer >= 1; received 0"):
        ReduceOnPlateau(patience=0)


@pytest.mark.parametrize("brings", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_epochs_and_plateaus_go_together(brings: bool, first: bool):
    # A constant rate, but written as a schedule in epochs.
    rate = schedules.LinearDecay(0.5, 100, 0.5, unit="epoch")
    settings = {"monitor": "loss", "factor": 0.5, "patience": 1}
    model = stuck_model(optimizers.SGD(rate if brings else schedules.ReduceOnPlateau(rate, **settings)))
    callbacks = [ReduceOnPlateau(**settings) if brings else ReduceOnPlateau(), kno.callbacks.ScheduleInEpochs()]
    fit(model, 3, callbacks if first else callbacks[::-1])
    assert model.optimizer._learning_rate.state["plateau_factor"] == 0.25
    # Four steps each at 0.5, 0.5 and 0.25.
    assert bias_of(model) == pytest.approx(-5.0)


def test_it_may_come_after_a_fit_without_it():
    model = stuck_model(optimizers.SGD(0.5))
    fit(model, 1, [])
    fit(model, 2, [ReduceOnPlateau(monitor="loss", factor=0.5, patience=1)])
    fit(model, 1, [ReduceOnPlateau()])
    assert bias_of(model) == pytest.approx(-4 * (0.5 + 0.5 + 0.5 + 0.25))


def test_another_rate_afterwards_leaves_no_state(tmp_path: Path):
    model = stuck_model(optimizers.SGD(0.5))
    callback = ReduceOnPlateau(monitor="loss", factor=0.5, patience=1)
    fit(model, 3, [callback])
    count = len(model.optimizer.variables)
    model.optimizer.learning_rate = schedules.LinearDecay(0.5, 100, 0.5)
    assert len(model.optimizer.variables) == count - 4
    fit(model, 3, [callback])
    assert len(model.optimizer.variables) == count
    assert rate_of(model) == 0.125
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", custom_objects={"stuck": stuck})
    assert rate_of(again) == 0.125


def test_several_optimizers_have_windows_of_their_own():
    layers = [keras.layers.Dense(1, name="first"), keras.layers.Dense(1, name="second")]
    model = keras.Sequential([keras.Input((2,)), *layers])
    often, seldom = (schedules.ReduceOnPlateau(0.5, 0.5, 1, monitor="loss", every_steps=every) for every in (1, 2))
    both = keras.optimizers.OptimizerMap(optimizers.SGD(often), {".*second.*": optimizers.SGD(seldom)})
    model.compile(keras.optimizers.MultiOptimizer(both), stuck)
    fit(model, 1, [ReduceOnPlateau()])
    # Of four batches the first, or the first two, are the best.
    assert (often.state["plateau_factor"], seldom.state["plateau_factor"]) == (0.125, 0.5)


def test_windows_longer_than_an_epoch_are_told():
    model = stuck_model(optimizers.SGD(0.5))
    with pytest.warns(UserWarning, match=r"every_steps is 5, more than the batches of an epoch: it never looks"):
        fit(model, 1, [ReduceOnPlateau(monitor="loss", every_steps=5)])


def test_native_optimizers_with_a_plateau_of_ours_are_refused():
    model = stuck_model(keras.optimizers.SGD(schedules.ReduceOnPlateau(0.5)))
    with pytest.raises(ValueError, match="needs a number as the rate of one of Keras' own"):
        fit(model, 1, [ReduceOnPlateau()])


def test_a_native_rate_that_others_set_only_falls():
    model, callback = stuck_model(keras.optimizers.SGD(0.5)), ReduceOnPlateau(monitor="loss", factor=0.5, patience=1)
    fit(model, 2, [callback])
    model.optimizer.learning_rate = 0.125
    fit(model, 1, [callback])
    assert rate_of(model) == 0.0625


def test_a_schedule_with_state_belongs_to_one_optimizer():
    schedule, variable = schedules.ReduceOnPlateau(0.5), keras.Variable([1.0])
    optimizers.SGD(schedule).build([variable])
    with pytest.raises(ValueError, match="must not be in two optimizers"):
        optimizers.SGD(schedule).build([variable])
    with pytest.raises(ValueError, match="must not hold two schedules that keep state"):
        optimizers.SGD(schedules.Join([schedules.ReduceOnPlateau(0.5)] * 2, [3])).build([variable])


def test_a_missing_metric_is_named():
    model = stuck_model(optimizers.SGD(0.5))
    with pytest.warns(UserWarning, match="finds no val_loss to look at, only loss"):
        fit(model, 1, [ReduceOnPlateau()])


@pytest.mark.parametrize(
    ("monitor", "large"), [("val_loss", False), ("val_accuracy", True), ("my_auc", True), ("mae", False)]
)
def test_auto_knows_the_direction(monitor: str, large: bool):
    assert schedules.ReduceOnPlateau(0.1, monitor=monitor).large_is_good == large


def test_a_nan_is_no_improvement():
    settings = schedules.ReduceOnPlateau(0.1, patience=2)
    state = START
    for bad in (1.0, float("nan"), float("nan")):
        state = plateau(settings, state, bad, 0.1)
    assert state["plateau_factor"] == pytest.approx(0.1)
    assert state["plateau_best"] == 1.0


def test_the_one_call_api_brings_the_callback():
    scheduler = kno.create_reduce_on_plateau_scheduler(monitor="loss", factor=0.5, patience=2)
    optimizer = kno.create_neural_optimizer("sgd", learning_rate=0.5, lr_scheduler=scheduler)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    kno.train_neural_network(model, None, None, (X, Y), optimizer, epochs=3, loss=stuck, verbose=0)
    assert float(keras.ops.convert_to_numpy(optimizer.learning_rate)) == 0.25


def test_in_steps_it_goes_on_from_where_it_stood():
    schedule = schedules.ReduceOnPlateau(schedules.LinearDecay(0.5, 2, unit="epoch"), 0.5, patience=1)
    optimizer, variable = optimizers.SGD(schedule), keras.Variable([1.0])
    optimizer.build([variable])
    for value in (1.0, 1.0):
        schedule.observe(value, 0.5)
    kno.training._epochs.count_epochs("test", optimizer, 10)
    assert optimizer._learning_rate.state == schedule.state
    assert optimizer._learning_rate(10) == 0.125
    assert {id(v) for v in schedule.variables.values()} <= {id(v) for v in optimizer.variables}
