"""A model with scheduled dropout is the model that it was."""

import re
from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt import layers, schedules
from tests.layers.test_scheduled_rate import numbers, state_of

K = keras.layers
SCHEDULE = schedules.CurriculumDropout(0.5, 100)
IMAGES = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype("float32")


def functional() -> keras.Model:
    """A model with every kind of dropout, models inside of it, a layer that is used twice and one that is frozen."""
    inner = keras.Sequential([
        keras.Input((6, 6, 4)), K.SpatialDropout2D(0.3, seed=4, name="maps"), K.Conv2D(4, 1, name="conv"),
        K.BatchNormalization(name="norm"),
    ], name="inner")  # fmt: skip
    images = keras.Input((6, 6, 2))
    x = inner(K.Conv2D(4, 1, activation="relu", name="first")(images))
    x = K.SpatialDropout3D(0.1, data_format="channels_first", name="volumes")(x[:, None])[:, 0] + x
    rows = K.SpatialDropout1D(0.2, name="rows")(K.Reshape((36, 4))(x))
    shared = K.Dropout(0.4, (None, 1, None), seed=9, name="shared", dtype="mixed_bfloat16")
    x = K.Add()([shared(rows), shared(rows)])
    x = K.MultiHeadAttention(1, 2, dropout=0.1, name="attention")(x, x)
    x = K.GlobalAveragePooling1D(name="mean")(x)
    x = K.GaussianDropout(0.2, seed=2, name="noise")(x)
    x = K.Dropout(0.0, name="never")(x)
    frozen = K.Dense(3, name="frozen", trainable=False)
    return keras.Model(images, frozen(K.AlphaDropout(0.1, name="alpha")(x)), name="outer")


def sequential() -> keras.Model:
    return keras.Sequential([keras.Input((6, 6, 2)), K.Flatten(), K.Dropout(0.5), K.Dense(4, name="out")])


def built_by_data() -> keras.Model:
    model = keras.Sequential([K.Flatten(), K.Dropout(0.5), K.Dense(4, name="out")])
    model(IMAGES)
    return model


def named(model: keras.Model) -> dict[str, Any]:
    layers_of_layers = [inside for layer in model._flatten_layers() for inside in _parts(layer)]
    found = [layer for layer in model._flatten_layers() if not isinstance(layer, K.InputLayer)]
    return {layer.name: layer for layer in found if not any(layer is inside for inside in layers_of_layers)}


def _parts(layer: Any) -> list[Any]:
    # What Keras names anew each time: the parts of attention.
    return layer._flatten_layers(include_self=False) if isinstance(layer, K.MultiHeadAttention) else []


@pytest.fixture(scope="module")
def whole() -> keras.Model:
    return functional()


@pytest.mark.parametrize("make", [None, sequential, built_by_data])
def test_inference_is_the_same(make: Any, whole: keras.Model):
    model = make() if make else whole
    for weight in model.weights:  # Away from where they are made.
        weight.assign(numbers(weight) + 0.1)
    new = layers.with_scheduled_dropout(model, SCHEDULE)
    assert type(new) is type(model)
    assert new.name == model.name
    np.testing.assert_array_equal(new.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))
    # The same weights in the same order, between which the new ones stand.
    kept = [w for w in new.weights if w.name not in ("rate", "calls")]
    assert [w.path for w in kept] == [w.path for w in model.weights]
    assert [w.path for w in new.trainable_weights] == [w.path for w in model.trainable_weights]
    for a, b in zip(kept, model.weights, strict=True):
        np.testing.assert_array_equal(numbers(a), numbers(b))
        assert a is not b


def test_each_kind_keeps_its_arguments(whole: keras.Model):
    for layer in (whole.get_layer("shared"), whole.get_layer("noise")):
        layer.seed_generator.next()  # The random numbers are not where they began.
    old, new = named(whole), named(layers.with_scheduled_dropout(whole, lambda layer: schedules.Constant(layer.rate)))
    assert list(old) == list(new)
    kinds = {
        "maps": layers.ScheduledSpatialDropout2D,
        "volumes": layers.ScheduledSpatialDropout3D,
        "rows": layers.ScheduledSpatialDropout1D,
        "shared": layers.ScheduledDropout,
        "noise": layers.ScheduledGaussianDropout,
    }
    for name, layer in new.items():
        if name not in kinds:
            assert type(layer) is type(old[name])
            continue
        assert type(layer) is kinds[name]
        assert layer.schedule.learning_rate == old[name].rate
        special = {"shared": ["noise_shape"], "maps": ["data_format"], "volumes": ["data_format"]}
        for kept in ("seed", "dtype_policy", "trainable", *special.get(name, [])):
            assert getattr(layer, kept) == getattr(old[name], kept)
        assert state_of(layer)[-1] == state_of(old[name])[-1]


def test_a_layer_that_was_shared_is_shared():
    row = keras.Input((3,))
    shared, alone = K.Dropout(0.5), K.Dropout(0.5, name="alone")
    model = keras.Model(row, alone(shared(row) + shared(row)))
    new = layers.with_scheduled_dropout(model, SCHEDULE)
    new(np.ones((2, 3), "float32"), training=True)
    assert [int(layer.calls) for layer in new.layers if hasattr(layer, "calls")] == [2, 1]


def test_a_compiled_model_comes_back_uncompiled():
    model = sequential()
    model.compile("adam", loss=lambda y, p: keras.ops.mean((y - p) ** 2))
    new = layers.with_scheduled_dropout(model, 0.25)
    assert model.compiled
    assert not new.compiled
    x, y = IMAGES, np.ones((3, 4), "float32")
    before = [numbers(w) for w in new.weights]
    model.fit(x, y, epochs=2, verbose=0)
    for weight, value in zip(new.weights, before, strict=True):
        np.testing.assert_array_equal(numbers(weight), value)
    new.compile("adam", "mse")
    new.fit(x, y, epochs=2, verbose=0)
    assert np.all(np.isfinite(numbers(model(x))))


@keras.saving.register_keras_serializable("tests")
class Block(K.Layer):
    """A layer with dropout inside."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention = K.MultiHeadAttention(1, 2, dropout=0.5)
        self.drop = K.Dropout(0.5, name="inside")

    def call(self, x: Any) -> Any:
        return self.drop(x)


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.drop = K.Dropout(0.5)

    def call(self, x: Any) -> Any:
        return self.drop(x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Subclassed, "model must be a Sequential or functional model; received <Subclassed"),
        (lambda: K.Dropout(0.5), "model must be a Sequential or functional model; received <Dropout"),
        (
            lambda: keras.Sequential([Block()]),
            "model must have no dropout inside of other layers.* received inside",
        ),
        (
            lambda: keras.Sequential([keras.Sequential([Block()])]),
            "model must have no dropout inside.* received inside",
        ),
        (
            lambda: keras.Sequential([keras.Input((2, 3)), K.TimeDistributed(K.Dropout(0.5, name="each"))]),
            "model must have no dropout inside of other layers,.* received each.*without TimeDistributed,.*noise_shape",
        ),
    ],
)
def test_what_cannot_be_replaced_is_refused(make: Any, message: str):
    with pytest.raises(ValueError, match=rf"^with_scheduled_dropout\.{message}"):
        layers.with_scheduled_dropout(make(), SCHEDULE)


@pytest.mark.parametrize("bad", [1.0, -0.1, None, "0.5", True])
def test_bad_schedules_are_refused(bad: Any):
    rule = "a number in [0, 1) or a LearningRateSchedule of such numbers"
    with pytest.raises(
        ValueError, match=re.escape(f"with_scheduled_dropout.schedule must be {rule}; received {bad!r}")
    ):
        layers.with_scheduled_dropout(sequential(), bad)
    with pytest.raises(ValueError, match=re.escape(f"ScheduledDropout.rate must be {rule}; received {bad!r}")):
        layers.with_scheduled_dropout(sequential(), lambda layer: bad)
