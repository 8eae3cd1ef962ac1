"""Weights are found to be scale-invariant exactly where a longer kernel changes nothing that is computed."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt.training import scale_invariant_weights
from keras_neural_opt.training._frozen_batch_norm import FrozenCall
from tests.contracts.running import BACKEND

L = keras.layers
TINY = {"epsilon": 1e-12}  # it breaks the invariance


def with_names(model: keras.Model) -> set[str]:
    return {"/".join(weight.path.split("/")[-2:]) for weight in scale_invariant_weights(model)}


def chain(*layers: keras.layers.Layer, shape: tuple[int, ...] = (6,)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *layers])


def images(*layers: keras.layers.Layer) -> keras.Model:
    return chain(*layers, shape=(6, 6, 3))


def residual() -> keras.Model:
    x = keras.Input((6, 6, 3))
    y = L.BatchNormalization(**TINY)(L.Conv2D(3, 3, padding="same", name="first")(x))
    z = L.Conv2D(3, 3, padding="same", use_bias=False, name="added")(L.ReLU()(y))
    z = L.BatchNormalization(**TINY)(L.Add()([z, x]))
    z = L.Conv2D(3, 1, use_bias=False, name="both")(z)
    return keras.Model(x, [L.BatchNormalization(**TINY)(z), L.LayerNormalization(**TINY)(L.ReLU()(z))])


def used_twice() -> keras.Model:
    x = keras.Input((6,))
    shared, half, norm = L.Dense(6, name="shared"), L.Dense(6, name="half"), L.BatchNormalization(**TINY)
    y = norm(shared(norm(shared(x))))
    return keras.Model(x, [y, norm(half(y)), half(y)])


def shown() -> keras.Model:
    x = keras.Input((6,))
    y = L.Dense(4, name="shown")(x)
    return keras.Model(x, [L.BatchNormalization(**TINY)(y), y])


def by_operations() -> keras.Model:
    x = keras.Input((6,))
    y = L.Dense(4, name="plus")(x) + L.Dense(4, name="other")(x)
    z = L.Dense(4, name="alone")(x)
    return keras.Model(x, L.BatchNormalization(**TINY)(y) + L.BatchNormalization(**TINY)(z))


def nested() -> keras.Model:
    x = keras.Input((6,))
    inner = keras.Sequential([L.Dense(5, name="inside"), L.BatchNormalization(**TINY), L.Dense(5, name="last")])
    functional = keras.Model(x, L.BatchNormalization(**TINY)(L.Dense(6, name="deep")(x)), name="functional")
    return chain(functional, inner, L.Dense(2, name="head"))


def dropped(kind: type[keras.layers.Layer]) -> Callable[[], keras.Model]:
    def make() -> keras.Model:
        layers = L.Dense(4, use_bias=False, name="a"), kind(0.3, seed=1), L.BatchNormalization(**TINY)
        return chain(*layers, shape=(2,) * (DROPOUTS[kind] - 2) + (6,))

    return make


# With the rank of what they take.
DROPOUTS: dict[type[keras.layers.Layer], int] = {
    L.Dropout: 2,
    L.GaussianDropout: 2,
    L.SpatialDropout1D: 3,
    L.SpatialDropout2D: 4,
    L.SpatialDropout3D: 5,
    kno.layers.ScheduledDropout: 2,
    kno.layers.ScheduledGaussianDropout: 2,
    kno.layers.ScheduledSpatialDropout1D: 3,
    kno.layers.ScheduledSpatialDropout2D: 4,
    kno.layers.ScheduledSpatialDropout3D: 5,
}

MODELS: dict[str, tuple[Callable[[], keras.Model], set[str]]] = {
    "batch norm takes a bias away": (
        lambda: chain(L.Dense(5, name="a"), L.BatchNormalization(**TINY), L.Dense(2, name="b")),
        {"a/kernel"},
    ),
    "layer norm does not": (
        lambda: chain(
            L.Dense(5, name="a"),
            L.LayerNormalization(**TINY),
            L.Dense(5, use_bias=False, name="b"),
            L.LayerNormalization(**TINY),
            L.Dense(5, use_bias=False, name="c"),
            L.RMSNormalization(**TINY),
            L.Dense(5, use_bias=False, name="d"),
            L.UnitNormalization(),
        ),
        {"b/kernel", "c/kernel", "d/kernel"},
    ),
    "past ReLU, pooling and flattening": (
        lambda: images(
            L.Conv2D(4, 3, use_bias=False, activation="relu", name="a"),
            L.MaxPooling2D(),
            L.GroupNormalization(2, **TINY),
            L.Conv2D(4, 1, activation="relu", name="biased"),
            L.Flatten(),
            L.BatchNormalization(**TINY),
            L.Dense(3, use_bias=False, activation="tanh", name="tanh"),
            L.BatchNormalization(**TINY),
        ),
        {"a/kernel"},
    ),
    "a bend elsewhere than at zero": (
        lambda: chain(L.Dense(9, activation="relu", name="biased"), L.BatchNormalization(**TINY)),
        set(),
    ),
    "a bend at a limit": (
        lambda: chain(L.Dense(9, use_bias=False), L.ReLU(max_value=2.0), L.BatchNormalization(**TINY)),
        set(),
    ),
    "depthwise and separable": (
        lambda: images(
            L.DepthwiseConv2D(3, name="a"),
            L.BatchNormalization(**TINY),
            L.SeparableConv2D(4, 3, name="b"),
            L.BatchNormalization(**TINY),
        ),
        {"a/kernel", "b/depthwise_kernel", "b/pointwise_kernel"},
    ),
    "another axis keeps the bias": (
        lambda: images(L.Conv2D(4, 3, name="a"), L.BatchNormalization(axis=1, **TINY)),
        set(),
    ),
    "residual": (residual, {"first/kernel", "both/kernel"}),
    "used twice": (used_twice, {"shared/kernel"}),
    "shown": (shown, set()),
    "operations": (by_operations, {"alone/kernel"}),
    "nested": (nested, {"deep/kernel", "inside/kernel"}),
    **{kind.__name__: (dropped(kind), {"a/kernel"}) for kind in DROPOUTS},
}


def outputs_of(model: keras.Model) -> Callable[[], list[np.ndarray]]:
    """Return what computes the outputs of a step of training, with the same random numbers each time."""
    x = np.random.default_rng(1).normal(1.0, 2.0, (7, *model.input_shape[1:])).astype("float32")
    if BACKEND == "jax":  # Operation by operation it would compile for minutes.
        import jax

        step = jax.jit(lambda *state: model.stateless_call(*state, x, training=True)[0])
    groups = model.trainable_variables, model.non_trainable_variables

    def outputs() -> list[np.ndarray]:
        jitted = BACKEND == "jax"
        kept = [v.numpy() for v in groups[1]]
        made = step(*([v.value for v in vs] for vs in groups)) if jitted else model(x, training=True)
        for variable, value in zip(groups[1], kept, strict=True):
            variable.assign(value)
        return [keras.ops.convert_to_numpy(y) for y in keras.tree.flatten(made)]

    return outputs


@pytest.mark.parametrize("name", MODELS)
def test_found_is_what_may_be_scaled(name: str):
    make, expected = MODELS[name]
    model = make()
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0.3, 0.6, variable.shape))
    assert with_names(model) == expected
    outputs, found = outputs_of(model), {id(weight) for weight in scale_invariant_weights(model)}
    before = outputs()
    for weight in [v for v in model.trainable_variables if v.path.endswith("kernel")]:
        kept = weight.numpy()
        weight.assign(kept * 3.0)
        changed = max(float(np.abs(x - y).max()) for x, y in zip(before, outputs(), strict=True))
        weight.assign(kept)
        assert (changed < 1e-4) == (id(weight) in found), f"{weight.path}: changed by {changed}"


def test_a_frozen_norm_makes_nothing_invariant():
    model = chain(L.Dense(5), L.BatchNormalization(name="norm"), L.Dense(5), L.BatchNormalization())
    assert len(scale_invariant_weights(model)) == 2
    call = FrozenCall(model.get_layer("norm"), hold=False)
    assert len(scale_invariant_weights(model)) == 1
    call.thaw()
    model.get_layer("norm").trainable = False
    assert len(scale_invariant_weights(model)) == 1
    model.layers[2].trainable = False
    assert scale_invariant_weights(model) == []


def test_only_built_models():
    for bad in (3, keras.Sequential([L.Dense(2)])):
        with pytest.raises(ValueError, match=r"scale_invariant_weights\.model must be a built Keras model; received"):
            scale_invariant_weights(bad)
