"""What the monitor says of a linear model is what NumPy says."""

import math
import warnings

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

from keras_neural_opt import callbacks, optimizers, transforms

BACKEND = keras.backend.backend()
MODES = {
    "torch": [{}],
    "jax": [{"jit_compile": True}, {"run_eagerly": True}],
    "tensorflow": [{"jit_compile": True}, {"jit_compile": False}, {"run_eagerly": True}],
}[BACKEND]
BATCH, BATCHES = 8, 6
START = np.array([[0.5], [-1.0], [0.25]], "float32"), np.array([0.0], "float32")


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(BATCH * BATCHES, 3)).astype("float32")
    return x, (x @ rng.normal(size=(3, 1)) + 2.0).astype("float32")


def linear_model(optimizer, **mode) -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="linear")], name="net")
    model.set_weights(START)
    model.compile(optimizer, "mse", **mode)
    # Keras builds the optimizer in the first step on some backends; a step that is not built cannot be looked at.
    optimizer.build(model.trainable_variables)
    return model


def fit(model: keras.Model, monitor, epochs: int = 1, **arguments):
    return model.fit(
        *data(), batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, callbacks=[monitor], **arguments
    ).history


def gradient(x: np.ndarray, y: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
    residual = 2 * (x @ kernel + bias - y) / len(x)
    return [x.T @ residual, residual.sum(axis=0)]


def expected(rate: float, clipnorm: float, every: int, floor: float, epochs: int, k: int = 1) -> list[dict]:
    """Return the samples of plain gradient descent on the mean gradient of `k` batches, in float64."""
    x, y = (a.astype("float64") for a in data())
    values, samples, steps = [a.astype("float64") for a in START], [], 0
    for _ in range(epochs):
        for batch in range(BATCHES // k):
            rows = slice(batch * BATCH * k, (batch + 1) * BATCH * k)
            gradients = gradient(x[rows], y[rows], *values)
            norms = [np.linalg.norm(g) for g in gradients]
            factor = min(1.0, clipnorm / math.hypot(*norms))
            steps += 1
            new = [p - rate * factor * g for p, g in zip(values, gradients, strict=True)]
            moved = [n - p for n, p in zip(new, values, strict=True)]
            rms = [[np.sqrt(np.mean(a**2)) for a in arrays] for arrays in (values, moved)]
            if (batch * k) % every == 0:
                ratios = [change / max(size, floor) for size, change in zip(*rms, strict=True)]
                # Three weights and one bias.
                together = [math.sqrt(3 * kernel**2 + bias**2) for kernel, bias in (np.maximum(rms[0], floor), rms[1])]
                samples.append(
                    {
                        "step": steps,
                        "norms": norms,
                        "factor": factor,
                        "ratios": ratios,
                        "ratio": together[1] / together[0],
                    }
                )
            values = new
    return samples


def assert_samples(samples, wanted: list[dict]) -> None:
    assert [sample.step for sample in samples] == [w["step"] for w in wanted]
    for sample, w in zip(samples, wanted, strict=True):
        assert list(sample.gradient_norms) == list(sample.update_ratios) == ["net/linear/kernel", "net/linear/bias"]
        np.testing.assert_allclose(list(sample.gradient_norms.values()), w["norms"], rtol=1e-5)
        scaled = np.multiply(w["norms"], w["factor"])
        np.testing.assert_allclose(list(sample.transformed_norms.values()), scaled, rtol=1e-5)
        np.testing.assert_allclose(list(sample.update_ratios.values()), w["ratios"], rtol=1e-4)
        np.testing.assert_allclose(sample.gradient_norm, math.hypot(*w["norms"]), rtol=1e-5)
        np.testing.assert_allclose(sample.update_ratio, w["ratio"], rtol=1e-4)
        assert sample.clipped == (w["factor"] < 1.0)
        assert sample.finite


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_samples_are_what_numpy_computes(mode):
    monitor = callbacks.TrainingMonitor(every=2, floor=0.05)
    model = linear_model(optimizers.SGD(0.1, global_clipnorm=2.5), **mode)
    history = fit(model, monitor, epochs=3)
    wanted = expected(0.1, 2.5, 2, 0.05, 3)
    assert_samples(monitor.samples, wanted)
    assert 0 < sum(sample.clipped for sample in monitor.samples) < len(monitor.samples)
    by_epoch = np.reshape([[math.hypot(*w["norms"]), w["factor"] < 1, w["ratio"]] for w in wanted], (3, 3, 3))
    np.testing.assert_allclose(history["gradient_norm"], np.median(by_epoch[..., 0], axis=1), rtol=1e-5)
    np.testing.assert_allclose(history["clipped"], by_epoch[..., 1].mean(axis=1))
    np.testing.assert_allclose(history["update_ratio"], np.median(by_epoch[..., 2], axis=1), rtol=1e-4)
    assert history["nonfinite_steps"] == [0, 0, 0]


@pytest.mark.slow
def test_accumulated_gradients_are_seen_as_their_mean():
    monitor = callbacks.TrainingMonitor(every=3, floor=0.05)
    model = linear_model(optimizers.SGD(0.1, gradient_accumulation_steps=3))
    fit(model, monitor, epochs=2)
    assert_samples(monitor.samples, expected(0.1, 1e9, 3, 0.05, 2, k=3))


@pytest.mark.slow
def test_replicas_are_seen_together(mirrored):
    monitor = callbacks.TrainingMonitor(every=2, floor=0.05)
    with mirrored.scope():
        model = linear_model(optimizers.SGD(0.1))
    fit(model, monitor)
    assert_samples(monitor.samples, expected(0.1, 1e9, 2, 0.05, 1))


@pytest.mark.slow
@pytest.mark.parametrize("nonfinite", ["skip", "propagate"])
def test_steps_that_are_not_finite_are_counted(nonfinite: str):
    x, y = data()
    y[2 * BATCH : 4 * BATCH] = np.nan
    monitor = callbacks.TrainingMonitor(every=1)
    model = linear_model(optimizers.SGD(0.1, nonfinite=nonfinite))
    history = model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[monitor]).history
    # Without being left out the first of them spoils all that follow.
    assert history["nonfinite_steps"] == [2 if nonfinite == "skip" else 4]
    assert [sample.step for sample in monitor.samples if not sample.finite] == (
        [] if nonfinite == "skip" else [3, 4, 5, 6]
    )
    assert len(monitor.samples) == (4 if nonfinite == "skip" else 6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda skip: optimizers.with_transforms(optimizers.SGD(0.1), [skip]),
        lambda skip: optimizers.SGD(0.1, nonfinite="skip", gradient_transforms=[skip]),
        lambda skip: optimizers.SGD(0.1, gradient_transforms=[skip]),
    ],
    ids=["around", "both", "inside"],
)
def test_steps_that_a_transform_leaves_out_are_counted_once(make):
    x, y = data()
    y[2 * BATCH : 4 * BATCH] = np.nan
    model = linear_model(make(transforms.SkipNonFinite()))
    monitor = callbacks.TrainingMonitor(every=1)
    history = model.fit(x, y, batch_size=BATCH, epochs=2, shuffle=False, verbose=0, callbacks=[monitor]).history
    assert history["nonfinite_steps"] == [2, 4]


@pytest.mark.slow
def test_training_and_files_are_the_same_with_and_without(tmp_path):
    def trained(*watching):
        optimizer = optimizers.Adam(0.1, global_clipnorm=1.0, gradient_transforms=[transforms.AutoClip(50)])
        model = linear_model(optimizers.Lookahead(optimizer, 2))
        for _ in range(2):
            model.fit(*data(), batch_size=BATCH, shuffle=False, verbose=0, callbacks=list(watching))
        return model

    bare, watched = trained(), trained(callbacks.TrainingMonitor(2))
    for a, b in zip(bare.get_weights(), watched.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    inner = [model.optimizer.inner_optimizer for model in (bare, watched)]
    assert inner[0].state_by_role().keys() == inner[1].state_by_role().keys()
    watched.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for model in (bare, watched, loaded):
        model.fit(*data(), batch_size=BATCH, shuffle=False, verbose=0)
        for a, b in zip(bare.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def several():
    of_kernels = {".*kernel": optimizers.Adam(0.1)}
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(optimizers.SGD(0.1), of_kernels))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:TrainingMonitor sees no gradients inside of:UserWarning")
@pytest.mark.parametrize(
    "make", [lambda: keras.optimizers.LossScaleOptimizer(optimizers.Adam(0.1), dynamic_growth_steps=3), several]
)
def test_files_of_keras_wrappers_are_the_same_with_and_without(make, tmp_path):
    """Written while the monitor is there, and loaded where it is not; a warning would be an error here."""
    model, monitor = linear_model(make()), callbacks.TrainingMonitor(every=2)
    path = tmp_path / "model.keras"
    model.fit(
        *data(), batch_size=BATCH, verbose=0, callbacks=[monitor, keras.callbacks.ModelCheckpoint(path)], epochs=2
    )
    assert bool(monitor.samples[0].gradient_norms) == (BACKEND != "jax")
    loaded = keras.models.load_model(path)
    for a, b in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.slow
def test_a_second_fit_goes_on_and_a_late_monitor_sees_a_compiled_model():
    model = linear_model(optimizers.SGD(0.1))
    fit(model, callbacks.LogHyperparameters())
    monitor = callbacks.TrainingMonitor(every=4)
    fit(model, monitor)
    fit(model, monitor)
    assert [sample.step for sample in monitor.samples] == [7, 11, 13, 17]
    assert all(sample.gradient_norms for sample in monitor.samples)


@pytest.mark.slow
def test_of_keras_own_optimizers_updates_are_known():
    model = linear_model(keras.optimizers.SGD(0.1))
    monitor = callbacks.TrainingMonitor(every=2, floor=0.05)
    with pytest.warns(UserWarning, match="TrainingMonitor sees no gradients of Keras' own optimizers"):
        history = fit(model, monitor)
    for sample, w in zip(monitor.samples, expected(0.1, 1e9, 2, 0.05, 1), strict=True):
        assert (sample.step, sample.gradient_norms) == (w["step"], {})
        np.testing.assert_allclose(list(sample.update_ratios.values()), w["ratios"], rtol=1e-4)
        assert math.isnan(sample.gradient_norm)
    assert set(history) == {"loss", "update_ratio"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monitor.table()
        assert isinstance(monitor.plot(), Figure)


@pytest.mark.slow
def test_dead_units_are_named(capsys):
    inputs = keras.Input((3,))
    alive = keras.layers.Dense(2, name="alive")(inputs)
    dead = keras.layers.Dense(2, "relu", bias_initializer=keras.initializers.Constant(-1e3), name="dead")(inputs)
    outputs = keras.layers.Dense(1, name="top")(keras.layers.Concatenate()([alive, dead]))
    model = keras.Model(inputs, outputs)
    model.compile(optimizers.SGD(0.01), "mse")
    monitor = callbacks.TrainingMonitor(every=2)
    fit(model, monitor)
    assert monitor.still == ["dead/kernel", "dead/bias"]
    monitor.table()
    assert capsys.readouterr().out.count("no gradient") == 2


def test_refuses_bad_arguments_and_an_empty_picture():
    for name, bad, rule in (
        ("every", 0, "an integer >= 1"),
        ("every", 2.5, "an integer >= 1"),
        ("floor", 0.0, "a number > 0"),
    ):
        with pytest.raises(ValueError, match=f"^TrainingMonitor.{name} must be {rule}; received {bad}"):
            callbacks.TrainingMonitor(**{name: bad})
    for what in ("plot", "table"):
        with pytest.raises(ValueError, match=f"^TrainingMonitor.{what} needs a training"):
            getattr(callbacks.TrainingMonitor(), what)()
