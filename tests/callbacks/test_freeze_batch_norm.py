"""Frozen batch norms: training normalizes by their statistics, and whatever is frozen stays bit by bit."""

from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from tests.contracts.running import BACKEND

pytestmark = pytest.mark.slow
RNG = np.random.default_rng(0)
X = RNG.normal(0.5, 1.0, (24, 3)).astype("float32")
Y = (X.sum(1, keepdims=True) > 1.5).astype("float32")
FreezeBatchNorm = kno.callbacks.FreezeBatchNorm

EAGER = {"run_eagerly": True, "jit_compile": False}  # where nothing depends on what was compiled


def network(optimizer: Any = None, jit_compile: Any = BACKEND == "jax", **compiled: Any) -> keras.Model:
    layers = keras.layers
    inner = keras.Sequential([layers.Dense(4), layers.BatchNormalization(name="renamed")], name="block")
    model = keras.Sequential(
        [keras.Input((3,)), layers.BatchNormalization(momentum=0.5, name="first"), inner, layers.Dense(1)]
    )
    model.compile(optimizer or kno.optimizers.SGD(0.05, momentum=0.9), "mse", jit_compile=jit_compile, **compiled)
    return model


class Watch(keras.callbacks.Callback):
    """Keeps all weights, by path, as they are when each epoch begins, and at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, np.ndarray]] = []

    def look(self) -> None:
        self.seen.append({v.path.split("/", 1)[1]: np.array(v.numpy()) for v in self.model.weights})

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.look()

    def on_train_end(self, logs: Any = None) -> None:
        self.look()


def fit(model: keras.Model, *callbacks: Any, epochs: int = 3, **options: Any) -> list[dict[str, np.ndarray]]:
    watch = Watch()
    model.fit(X, Y, 8, epochs, shuffle=False, verbose=0, callbacks=[*callbacks, watch], **options)
    assert all(np.all(np.isfinite(value)) for value in watch.seen[-1].values())
    return watch.seen


def moved(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    return {path for path in before if not np.array_equal(before[path], after[path])}


STATISTICS = {f"{norm}/moving_{what}" for norm in ("first", "block/renamed") for what in ("mean", "variance")}
SCALES = {f"{norm}/{what}" for norm in ("first", "block/renamed") for what in ("gamma", "beta")}
# On TensorFlow: eager, as a graph, and compiled by XLA. The others have one way each.
MODES = [EAGER, {"jit_compile": False}, {"jit_compile": True}] if BACKEND == "tensorflow" else [{}]


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_statistics_stop_when_their_epoch_comes(mode: dict[str, bool]):
    seen = fit(network(**mode), FreezeBatchNorm(1))
    everything = set(seen[0])
    assert moved(seen[0], seen[1]) == everything
    assert moved(seen[1], seen[2]) == everything - STATISTICS
    assert moved(seen[2], seen[3]) == everything - STATISTICS


def test_training_normalizes_by_the_frozen_statistics():
    mean, variance = np.array([2.0, 1.0, 3.0]), np.array([9.0, 4.0, 1.0])
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
    model.compile(kno.optimizers.SGD(0.1), "mse")
    norm, dense = model.layers
    norm.moving_mean.assign(mean)
    norm.moving_variance.assign(variance)
    w, b = dense.kernel.numpy().astype("float64"), dense.bias.numpy().astype("float64")
    model.fit(X, Y, 24, verbose=0, callbacks=[FreezeBatchNorm()])
    z = (X.astype("float64") - mean) / np.sqrt(variance + 1e-3)
    error = 2.0 * (z @ w + b - Y) / len(X)
    np.testing.assert_allclose(dense.kernel.numpy(), w - 0.1 * z.T @ error, rtol=1e-5, atol=1e-6)
    gamma = 1.0 - 0.1 * (z * (error @ w.T)).sum(0)
    np.testing.assert_allclose(norm.gamma.numpy(), gamma, rtol=1e-5, atol=1e-6)


# Each moves a variable also where its gradient is zero; the last ones know the values of before.
OPTIMIZERS = {
    "accumulation, decay": lambda: kno.optimizers.SGD(0.05, weight_decay=0.1, gradient_accumulation_steps=2),
    "keras": lambda: keras.optimizers.AdamW(0.05),
    "lookahead": lambda: kno.optimizers.Lookahead(kno.optimizers.SGD(0.05, momentum=0.9), sync_period=2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_scale_and_offset_are_held_whatever_the_optimizer_does(name: str):
    model = network(OPTIMIZERS[name]())
    seen = fit(model, FreezeBatchNorm(1, scale_and_offset=True))
    assert len(model.trainable_variables) == len(model.optimizer._trainable_variables) == 8
    everything = set(seen[0])
    assert moved(seen[1], seen[3]) == everything - STATISTICS - SCALES
    assert moved(seen[0], seen[1]) >= SCALES


def test_chosen_layers_alone():
    seen = fit(network(**EAGER), FreezeBatchNorm(layers=["block/"]), epochs=1)
    kept = {path for path in STATISTICS if "renamed" in path}
    assert moved(*seen) == set(seen[0]) - kept
    seen = fit(network(**EAGER), FreezeBatchNorm(layers=["!block/"]), epochs=1)
    assert moved(*seen) == set(seen[0]) - (STATISTICS - kept)
    with pytest.raises(
        ValueError, match=r"FreezeBatchNorm\.layers must be found in the path of a batch norm; received"
    ):
        fit(network(**EAGER), FreezeBatchNorm(layers=["resnet"]))


def test_a_second_fit_stays_frozen_unless_thawed():
    model, thawed = network(), network()
    fit(model, FreezeBatchNorm(1))
    seen = fit(model)
    assert not moved(seen[0], seen[-1]) & STATISTICS
    fit(thawed, FreezeBatchNorm(1, scale_and_offset=True, thaw=True))
    seen = fit(thawed)
    assert moved(seen[0], seen[1]) == set(seen[0])
    assert thawed.layers[0].call.__name__ == "call"
    assert thawed.layers[0].gamma.constraint is None


def test_a_later_callback_freezes_more():
    model = network(**EAGER)
    fit(model, FreezeBatchNorm())
    seen = fit(model, FreezeBatchNorm(scale_and_offset=True), epochs=1)
    assert not moved(*seen) & (STATISTICS | SCALES)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_what_is_set_between_two_fits_is_held(mode: dict[str, bool]):
    model = network(**mode)
    fit(model, FreezeBatchNorm(scale_and_offset=True), epochs=1)
    gamma = model.layers[0].gamma
    gamma.assign([5.0, 6.0, 7.0])
    seen = fit(model, FreezeBatchNorm(scale_and_offset=True), epochs=1)
    np.testing.assert_array_equal(gamma.numpy(), [5.0, 6.0, 7.0])
    assert moved(*seen) == set(seen[0]) - STATISTICS - SCALES


def test_the_step_is_compiled_anew_only_for_other_values():
    model = network()
    fit(model, FreezeBatchNorm(scale_and_offset=True), epochs=1)
    step = model.train_function
    fit(model, FreezeBatchNorm(scale_and_offset=True), epochs=1)
    assert model.train_function is step


@pytest.mark.parametrize("first", [0, 1])
def test_two_callbacks_on_one_norm_thaw_it(first: int):
    model = network(**EAGER)
    both = [FreezeBatchNorm(thaw=True), FreezeBatchNorm(1, scale_and_offset=True, thaw=True)]
    seen = fit(model, both[first], both[1 - first], epochs=2)
    assert moved(seen[1], seen[2]) == set(seen[0]) - STATISTICS - SCALES
    seen = fit(model, epochs=1)
    assert moved(*seen) == set(seen[0])
    assert model.layers[0].gamma.constraint is None


@pytest.mark.parametrize("inner", [False, True])
def test_of_two_callbacks_one_stays(inner: bool):
    model = network(**EAGER)
    fit(model, FreezeBatchNorm(thaw=inner), FreezeBatchNorm(scale_and_offset=True, thaw=not inner), epochs=1)
    seen = fit(model, epochs=1)
    assert moved(*seen) == set(seen[0]) - STATISTICS - (SCALES if inner else set())


def test_resumes_bit_by_bit(tmp_path: Any):
    whole, half = network(), network()
    half.set_weights(whole.get_weights())
    fit(whole, FreezeBatchNorm(1), epochs=4)
    fit(half, FreezeBatchNorm(1), epochs=2)
    half.save(tmp_path / "half.keras")
    resumed = keras.models.load_model(tmp_path / "half.keras")
    fit(resumed, FreezeBatchNorm(1), epochs=4, initial_epoch=2)
    for x, y in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


def test_recalibration_leaves_frozen_norms_alone():
    model = network(**EAGER)
    fit(model, FreezeBatchNorm(layers=["first"]), epochs=1)
    before = model.layers[0].moving_mean.numpy()
    assert kno.training.recalibrate_batch_norm(model, X) == 1
    np.testing.assert_array_equal(before, model.layers[0].moving_mean.numpy())


def test_a_model_that_is_not_built_is_refused_before_scales_are_held():
    model = keras.Sequential([keras.layers.BatchNormalization(), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    if BACKEND == "tensorflow":  # The others build it before the first epoch.
        with pytest.raises(ValueError, match=r"FreezeBatchNorm holds the scale and offset of models that are built"):
            fit(model, FreezeBatchNorm(scale_and_offset=True), epochs=1)
    else:
        fit(model, FreezeBatchNorm(scale_and_offset=True), epochs=1)
        np.testing.assert_array_equal(model.layers[0].gamma.numpy(), np.ones(3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epoch": -1}, "epoch must be an integer >= 0; received -1"),
        ({"layers": "first"}, "layers must be None or a list of regular expressions; received 'first'"),
        ({"layers": ["("]}, "layers must be None or a list of regular expressions; received"),
        ({"scale_and_offset": 1}, "scale_and_offset must be True or False; received 1"),
        ({"thaw": None}, "thaw must be True or False; received None"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=rf"^FreezeBatchNorm\.{message}"):
        FreezeBatchNorm(**arguments)
