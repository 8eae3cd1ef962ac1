"""What all three wrappers must do: refuse, save, compute in half precision, train compiled, be still in inference."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt.layers import ConcreteDropout, Standout, VariationalDropout
from tests.layers.steps import WAYS, step

WRAPPERS: dict[str, Any] = {
    "ConcreteDropout": lambda layer, **options: ConcreteDropout(layer, kl_weight=0.01, initial_rate=0.3, **options),
    "VariationalDropout": lambda layer, **options: VariationalDropout(
        layer, kl_weight=0.01, initial_log_variance=-1.0, **options
    ),
    "Standout": Standout,
}
X = np.random.default_rng(3).normal(size=(8, 6)).astype("float32")
every_wrapper = pytest.mark.parametrize("name", WRAPPERS)

LAYERS = "a Dense, Conv1D, Conv2D or Conv3D layer, not causal"
BAD = [
    (ConcreteDropout, {"layer": keras.layers.Activation("relu")}, f"layer must be {LAYERS}"),
    (ConcreteDropout, {"layer": 3}, f"layer must be {LAYERS}; received 3"),
    (VariationalDropout, {"layer": keras.layers.Conv1D(2, 3, padding="causal")}, f"layer must be {LAYERS}"),
    (Standout, {"layer": keras.layers.DepthwiseConv2D(3)}, f"layer must be {LAYERS}"),
    (ConcreteDropout, {"kl_weight": -1.0}, "kl_weight must be a number >= 0; received -1.0"),
    (ConcreteDropout, {"length_scale": 0}, "length_scale must be a number > 0; received 0"),
    (ConcreteDropout, {"initial_rate": 0.0}, "initial_rate must be a number in (0, 1); received 0.0"),
    (ConcreteDropout, {"initial_rate": 1}, "initial_rate must be a number in (0, 1); received 1"),
    (ConcreteDropout, {"temperature": 0.0}, "temperature must be a number > 0; received 0.0"),
    (ConcreteDropout, {"seed": -1}, "seed must be None or an integer from 0 to 2147483647; received -1"),
    (VariationalDropout, {"kl_weight": "much"}, "kl_weight must be a LearningRateSchedule or a number >= 0"),
    (
        VariationalDropout,
        {"kl_weight": kno.schedules.Warmup(kno.schedules.ReduceOnPlateau(0.1), 5)},
        "kl_weight must not wait for a plateau; received <",
    ),
    (VariationalDropout, {"threshold": float("inf")}, "threshold must be a finite number; received inf"),
    (VariationalDropout, {"initial_log_variance": None}, "initial_log_variance must be a finite number; received None"),
    (Standout, {"layer": "dense"}, f"layer must be {LAYERS}, without activity_regularizer"),
    (Standout, {"alpha": float("nan")}, "alpha must be a finite number; received nan"),
    (Standout, {"beta": True}, "beta must be a finite number; received True"),
    (Standout, {"seed": 1.5}, "seed must be None or an integer from 0 to 2147483647; received 1.5"),
]


class Doubled(keras.layers.Dense):
    """Has a call of its own."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        return 2.0 * super().call(inputs)


class Initialized(keras.layers.Conv1D):
    """Has not."""

    def __init__(self, filters: int, **options: Any) -> None:
        super().__init__(filters, 2, kernel_initializer="ones", **options)


PARTS: dict[str, Callable[[], Any]] = {
    "call": lambda: Doubled(2, kernel_initializer="ones"),
    "dense": lambda: keras.layers.Dense(2, kernel_initializer="ones", activity_regularizer=keras.regularizers.L2(0.5)),
    "convolution": lambda: keras.layers.Conv2D(2, 3, activity_regularizer=keras.regularizers.L1(0.5)),
}


@pytest.mark.parametrize("wrapper", [VariationalDropout, Standout])
@pytest.mark.parametrize("part", PARTS)
def test_parts_of_a_layer_that_would_be_left_out_are_refused(wrapper: Any, part: str):
    rule = f"{LAYERS}, without activity_regularizer and with Keras' own call"
    options = {} if wrapper is Standout else {"kl_weight": 0.1}
    with pytest.raises(ValueError, match=re.escape(f"{wrapper.__name__}.layer must be {rule}; received <")):
        wrapper(PARTS[part](), **options)
    assert wrapper(Initialized(3), **options).layer.filters == 3


def test_concrete_dropout_leaves_no_part_out():
    x = np.ones((2, 3), "float32")
    assert keras.ops.convert_to_numpy(keras.ops.stop_gradient(ConcreteDropout(PARTS["call"](), 0.0)(x))).max() == 6.0
    layer = ConcreteDropout(PARTS["dense"](), 0.0)
    layer(x)
    # Of each sample half of 3 ** 2 for each of two units.
    assert sum(float(keras.ops.stop_gradient(loss)) for loss in layer.losses) == pytest.approx(9.0)


@pytest.mark.parametrize(("wrapper", "arguments", "message"), BAD)
def test_bad_arguments_are_refused(wrapper: Any, arguments: dict[str, Any], message: str):
    good = {"layer": keras.layers.Dense(2)} | ({} if wrapper is Standout else {"kl_weight": 0.1})
    with pytest.raises(ValueError, match=f"^{wrapper.__name__}.{re.escape(message)}"):
        wrapper(**(good | arguments))


@every_wrapper
def test_a_config_makes_the_same_layer(name: str):
    layer = WRAPPERS[name](keras.layers.Conv2D(3, 2, activation="relu"), seed=9, name="mine", dtype="mixed_float16")
    config = keras.saving.serialize_keras_object(layer)
    assert config["registered_name"] == f"keras_neural_opt>{name}"
    again = keras.saving.deserialize_keras_object(copy.deepcopy(config))
    assert keras.saving.serialize_keras_object(again) == config
    assert (again.name, again.seed, again.compute_dtype, again.layer.filters) == ("mine", 9, "float16", 3)


@every_wrapper
@pytest.mark.parametrize("way", WAYS)
def test_a_seed_repeats_and_inference_is_still(name: str, way: str):
    layers = [WRAPPERS[name](keras.layers.Dense(4, kernel_initializer="ones"), seed=5) for _ in range(2)]
    first, second = ([step(layer, X, way=way).outputs[0] for _ in range(2)] for layer in layers)
    np.testing.assert_array_equal(first, second)
    assert np.mean(first[0] != first[1]) > 0.1
    still = [step(layers[0], X, way=way, training=False).outputs[0] for _ in range(2)]
    np.testing.assert_array_equal(*still)
    other = step(layers[1], X, way=way, training=False).outputs[0]
    np.testing.assert_array_equal(still[0], other)
    if name == "ConcreteDropout":
        plain = keras.layers.Dense(4, kernel_initializer="ones")(X)
        np.testing.assert_allclose(still[0], keras.ops.convert_to_numpy(keras.ops.stop_gradient(plain)), rtol=1e-6)


@every_wrapper
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("training", [False, True])
def test_half_precision_is_full_precision_rounded(name: str, policy: str, training: bool):
    half, full = (WRAPPERS[name](keras.layers.Dense(4, "tanh", dtype=dtype), seed=5) for dtype in (policy, "float32"))
    assert half.compute_dtype == policy.removeprefix("mixed_")
    for layer in (half, full):
        layer.build(X.shape)
    full.set_weights(half.get_weights())
    assert {variable.dtype for variable in half.trainable_variables} == {"float32"}
    rounded, exact = (step(layer, X, training=training) for layer in (half, full))
    assert keras.backend.standardize_dtype(half(X, training=training).dtype) == half.compute_dtype
    # The draws are the same, whatever is computed in. A product of six in 8 or 11 bits, of numbers up to 4:
    np.testing.assert_allclose(rounded.outputs[0], exact.outputs[0], atol=0.06 if "bfloat16" in policy else 0.008)
    assert rounded.losses == pytest.approx(exact.losses, rel=1e-6)


def test_neither_squares_nor_variances_are_lost_in_half_precision():
    layer = VariationalDropout(keras.layers.Dense(400, dtype="mixed_float16"), 0.0, initial_log_variance=-18.0, seed=0)
    x = np.full((50, 4), 300.0, "float32")
    layer.build(x.shape)
    layer.layer.kernel.assign(np.zeros((4, 400)))
    outputs = keras.ops.convert_to_numpy(keras.ops.cast(layer(x, training=True), "float32"))
    # In float16 the squares are infinite, and the variances 0.
    expected = 300.0 * np.sqrt(4 * np.exp(-18.0))
    assert outputs.std() == pytest.approx(expected, rel=4 / np.sqrt(2 * outputs.size))


@pytest.mark.slow
@every_wrapper
def test_training_goes_on_from_a_file(name: str, tmp_path: Path):
    def make() -> Any:
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((6,)), WRAPPERS[name](keras.layers.Dense(4, "relu"), seed=2)])
        model.add(keras.layers.Dense(1))
        model.compile(kno.optimizers.Adam(0.05), "mse")
        return model

    def fit(model: Any, epochs: int) -> list[float]:
        y = X[:, :1] ** 2
        return model.fit(X, y, 2, epochs, shuffle=False, verbose=0, validation_data=(X, y)).history["loss"]

    whole, first = make(), make()
    losses = fit(whole, 4)
    assert fit(first, 2) == losses[:2]
    first.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert fit(again, 2) == losses[2:]
    for ours, theirs in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@every_wrapper
def test_a_file_without_the_wrapper_is_refused(name: str, tmp_path: Path):
    plain = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, name="same")])
    plain.save_weights(tmp_path / "plain.weights.h5")
    layer = WRAPPERS[name](keras.layers.Dense(4), name="same", seed=2)
    model = keras.Sequential([keras.Input((6,)), layer])
    before = [keras.ops.convert_to_numpy(each).copy() for each in (*layer.weights, layer.seed_generator.state)]
    with pytest.raises(ValueError, match=r"same must find .*seed_generator_state in the file; received .*set_weights"):
        model.load_weights(tmp_path / "plain.weights.h5")
    for old, new in zip(before, (*layer.weights, layer.seed_generator.state), strict=True):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(new))
    # As the error says.
    layer.layer.set_weights(plain.layers[0].get_weights())
    np.testing.assert_array_equal(layer.layer.get_weights()[0], plain.layers[0].get_weights()[0])


@pytest.mark.slow
def test_a_layer_used_twice_has_one_divergence():
    inner = VariationalDropout(keras.layers.Dense(6), 1.0, initial_log_variance=-1.0)
    inputs = keras.Input((6,))
    once, twice = keras.Model(inputs, inner(inputs)), keras.Model(inputs, inner(inner(inputs)))
    for model in (once, twice):
        model.compile("sgd", lambda y, outputs: 0.0 * keras.ops.mean(outputs))
    assert twice.evaluate(X, X, verbose=0) == pytest.approx(once.evaluate(X, X, verbose=0), rel=1e-6)
    assert once.evaluate(X, X, verbose=0) > 1.0


def test_a_frozen_layer_has_no_divergence():
    layer = ConcreteDropout(keras.layers.Dense(2), 0.1)
    layer.build((None, 3))
    assert len(layer.losses) == 1
    layer.trainable = False
    assert layer.losses == []


def test_masks_go_through():
    layer = Standout(keras.layers.Dense(2))
    inputs = keras.Input((4,), dtype="int32")
    outputs = layer(keras.layers.Embedding(5, 3, mask_zero=True)(inputs))
    assert outputs._keras_mask is not None
