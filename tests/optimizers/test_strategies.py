"""One device or several, bare or inside Keras' wrappers: the same training."""

import contextlib

import keras
import numpy as np
import pytest

import keras_neural_opt as kno

BACKEND = keras.backend.backend()
EVERYTHING = {
    "learning_rate": 0.01,
    "clipnorm": 0.5,
    "weight_decay": 0.1,
    "weight_decay_mask": "no_bias",
    "gradient_accumulation_steps": 2,
    "use_ema": True,
    "ema_overwrite_frequency": 3,
    "nonfinite": "skip",
}


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 5)).astype("float32")
    return x, x @ rng.normal(size=(5, 2)).astype("float32")


def spoiled():
    """The same with two samples, in two batches and on two replicas, that no step should follow."""
    x, y = data()
    y[17], y[46] = np.nan, 1e6
    return x, y


def trained(
    make,
    build=contextlib.nullcontext,
    fit=contextlib.nullcontext,
    jit_compile=BACKEND != "torch",
    callbacks=list,
    data=data,
):
    """Return the weights after two fits of two epochs, with the model built and fitted in the given scopes."""
    keras.utils.set_random_seed(3)
    with build():
        layers = [
            keras.Input((5,)),
            keras.layers.Dense(7, activation="tanh", kernel_constraint=keras.constraints.MaxNorm(1.5)),
            keras.layers.Dense(2),
        ]
        model = keras.Sequential(layers)
        model.compile(make(), "mse", jit_compile=jit_compile)
    with fit():
        for _ in range(2):
            model.fit(*data(), batch_size=16, epochs=2, shuffle=False, verbose=0, callbacks=callbacks())
    return np.concatenate([w.ravel() for w in model.get_weights()])


def everything():
    return kno.optimizers.Adam(**EVERYTHING)


def radam():
    return kno.optimizers.RAdam(0.01)


def scheduled():
    momentum = kno.schedules.OneCycleMomentum(4, unit="epoch")
    return kno.optimizers.SGD(kno.schedules.LinearDecay(0.05, 4, 0.01, unit="epoch"), momentum)


def transformed():
    t = kno.transforms
    return kno.optimizers.SGD(
        0.05,
        gradient_transforms=[
            t.AdaptiveGradientClipping(2.0),
            t.AutoClip(60),
            t.ClipByBlockRMS(0.5),
            t.GradientCentralization(),
            t.GradientNoise(0.01, seed=1),
            t.NormalizeGradients(2.0),
        ],
        gradient_accumulation_steps=2,
    )


def skips():
    return [kno.transforms.AutoClip(60), kno.transforms.SkipLargeUpdates(1e4), kno.transforms.SkipNonFinite(2)]


def skipping_itself():
    return kno.optimizers.Adam(0.01, gradient_transforms=skips())


def native_skipping():
    return kno.optimizers.with_transforms(keras.optimizers.Adam(0.01), skips())


def plateaus_and_epochs():
    """A plateau in every second epoch: nothing improves by that much."""
    plateau = kno.callbacks.ReduceOnPlateau(monitor="loss", factor=0.3, patience=1, min_delta=10.0)
    return [kno.callbacks.ScheduleInEpochs(), plateau]


# Sums in another order differ in the last bits of gradients; Adam's normalization carries them over to the steps.
SAME = {"rtol": 0, "atol": 2e-6}


@pytest.mark.slow
@pytest.mark.parametrize("make", [everything, radam, transformed])
def test_mirrored_equals_one_device(mirrored, make):
    # Not compiled by XLA, which would draw other random numbers.
    one = trained(make, jit_compile=False)
    np.testing.assert_allclose(trained(make, mirrored.scope, jit_compile="auto"), one, **SAME)


@pytest.mark.slow
@pytest.mark.parametrize("make", [skipping_itself, native_skipping])
def test_mirrored_leaves_out_the_steps_of_one_device(mirrored, make):
    one = trained(make, data=spoiled)
    np.testing.assert_allclose(trained(make, mirrored.scope, jit_compile="auto", data=spoiled), one, **SAME)
    assert np.isfinite(one).all()


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [False, True], ids=["ours", "native"])
def test_mirrored_raises_what_a_compiled_step_could_not(mirrored, wrap):
    def make():
        skip = kno.transforms.SkipNonFinite(1)
        if wrap:
            return kno.optimizers.with_transforms(keras.optimizers.SGD(0.1), [skip])
        return kno.optimizers.SGD(0.1, gradient_transforms=[skip])

    with pytest.raises(FloatingPointError, match=r"1 step had .* after effective step 1$"):
        trained(make, mirrored.scope, jit_compile="auto", data=spoiled)


@pytest.mark.slow
def test_mirrored_with_schedules_and_plateaus_equals_one_device(mirrored):
    several = trained(scheduled, mirrored.scope, jit_compile="auto", callbacks=plateaus_and_epochs)
    one = trained(scheduled, callbacks=plateaus_and_epochs)
    np.testing.assert_allclose(several, one, **SAME)
    assert np.abs(one - trained(scheduled, callbacks=lambda: plateaus_and_epochs()[:1])).max() > 1e-2


@pytest.mark.slow
def test_mirrored_with_loss_scale_equals_one_device(mirrored):
    def scaled():
        return keras.optimizers.LossScaleOptimizer(radam())

    np.testing.assert_allclose(trained(scaled, mirrored.scope, jit_compile=False), trained(radam), **SAME)


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "jax", reason="Keras distributes over devices on JAX")
@pytest.mark.parametrize(
    ("make", "callbacks", "data"),
    [
        (everything, list, data),
        (radam, list, data),
        (transformed, list, data),
        (skipping_itself, list, spoiled),
        (native_skipping, list, spoiled),
        (scheduled, plateaus_and_epochs, data),
    ],
    ids=["everything", "radam", "transforms", "skips", "skips around a native", "schedules and plateaus"],
)
def test_data_parallel_equals_one_device(make, callbacks, data):
    import jax

    distribution = keras.distribution.DataParallel()
    assert len(jax.devices()) == 4
    sharded = []

    def noted():
        optimizer = make()
        sharded.append(optimizer)
        return optimizer

    # The scope must also surround `fit`, or nothing is sharded and equality is no news.
    weights = trained(noted, distribution.scope, distribution.scope, callbacks=callbacks, data=data)
    assert all(len(v.value.sharding.device_set) == 4 for v in sharded[0].variables)
    np.testing.assert_allclose(weights, trained(make, callbacks=callbacks, data=data), **SAME)


@pytest.mark.slow
@pytest.mark.skipif(BACKEND == "torch", reason="torch runs the step eagerly either way")
def test_compiled_equals_eager():
    np.testing.assert_allclose(trained(everything), trained(everything, jit_compile=False), **SAME)


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrap",
    [
        keras.optimizers.LossScaleOptimizer,
        lambda inner: keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(inner, {".*kernel": type(inner).from_config(inner.get_config())})
        ),
    ],
    ids=["loss scale", "multi"],
)
def test_inside_a_wrapper_of_keras(wrap):
    np.testing.assert_allclose(trained(lambda: wrap(radam())), trained(radam), **SAME)


@pytest.mark.slow
def test_mixed_precision_trains_float32_weights():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = trained(everything)
    finally:
        keras.config.set_dtype_policy("float32")
    # float16 activations have 11 bits: gradients agree to about 1e-3, and no step is larger than the learning rate.
    np.testing.assert_allclose(half, trained(everything), rtol=0, atol=5e-3)


sparse_gradients = pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.IndexedSlices exist on TensorFlow only")
ROWS = [
    ("SGD", {"learning_rate": 0.1}),
    ("Adagrad", {"learning_rate": 0.1}),
    ("Adadelta", {"learning_rate": 1.0}),
]


def slices(indices, seed=0):
    import tensorflow as tf

    values = np.random.default_rng(seed).normal(size=(len(indices), 3)).astype("float32")
    return tf.IndexedSlices(tf.constant(values), tf.constant(indices), tf.constant((6, 3)))


def table():
    return keras.Variable(np.arange(18, dtype="float32").reshape(6, 3) / 10)


def run_sparse(name, options, steps, dense, how):
    import tensorflow as tf

    optimizer, variable = getattr(kno.optimizers, name)(**options), table()
    optimizer.build([variable])

    def apply(gradient):
        optimizer.apply([tf.convert_to_tensor(gradient) if dense else gradient], [variable])

    apply = {"eager": apply, "graph": tf.function(apply), "jit": tf.function(apply, jit_compile=True)}[how]
    for i, indices in enumerate(steps):
        apply(slices(indices, i))
    return variable.numpy()


@sparse_gradients
@pytest.mark.parametrize("how", ["eager", "graph", "jit"])
@pytest.mark.parametrize(("name", "options"), ROWS)
def test_rows_equal_the_dense_gradient(name, options, how):
    # The same rows in every step: there Adadelta's two forms agree, whose averages decay in the dense form only.
    steps = [[4, 1, 4], [1, 4, 1], [4, 4, 1]]
    sparse, dense = (run_sparse(name, options, steps, dense, how) for dense in (False, True))
    np.testing.assert_allclose(sparse, dense, rtol=1e-6)
    np.testing.assert_array_equal(sparse[[0, 2, 3, 5]], table().numpy()[[0, 2, 3, 5]])


@sparse_gradients
@pytest.mark.parametrize(("name", "options"), ROWS[:2])
def test_rows_that_change_equal_the_dense_gradient(name, options):
    steps = [[4, 1, 4], [0, 5, 0], [1, 2, 3]]
    sparse, dense = (run_sparse(name, options, steps, dense, "eager") for dense in (False, True))
    np.testing.assert_allclose(sparse, dense, rtol=1e-6)


@sparse_gradients
def test_rows_keep_their_averages_in_adadelta():
    optimizer, variable = kno.optimizers.Adadelta(1.0), table()
    optimizer.apply([slices([1, 4])], [variable])
    before = [v.numpy() for v in optimizer.variables[2:]]
    optimizer.apply([slices([0, 4])], [variable])
    for old, new in zip(before, optimizer.variables[2:], strict=True):
        np.testing.assert_array_equal(old[1], new.numpy()[1])
        assert (old[4] != new.numpy()[4]).all()


@sparse_gradients
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 0.9}),
        ("SGD", {"weight_decay": 0.1}),
        ("SGD", {"clipnorm": 0.1}),
        ("Adam", {}),
        ("RAdam", {}),
        ("AdaBound", {}),
        ("RMSprop", {}),
        ("AdamW", {"gradient_accumulation_steps": 2}),
    ],
    ids=str,
)
def test_other_methods_make_the_gradient_dense(name, options):
    steps = [[4, 1, 4], [0, 5, 0], [1, 2, 3], [1, 1, 1]]
    sparse, dense = (run_sparse(name, options, steps, dense, "graph") for dense in (False, True))
    np.testing.assert_allclose(sparse, dense, rtol=1e-6)


@pytest.mark.slow
@sparse_gradients
def test_sparse_gradients_of_a_mirrored_embedding(mirrored):
    def model():
        keras.utils.set_random_seed(0)
        layers = [keras.Input((4,)), keras.layers.Embedding(10, 3), keras.layers.Flatten(), keras.layers.Dense(1)]
        return keras.Sequential(layers)

    def weights(scope):
        with scope:
            m = model()
            m.compile(kno.optimizers.Adagrad(0.1), "mse", jit_compile=False)
        rng = np.random.default_rng(0)
        m.fit(rng.integers(0, 10, (32, 4)), rng.normal(size=(32, 1)), batch_size=8, shuffle=False, verbose=0)
        return m.get_weights()[0]

    np.testing.assert_allclose(weights(mirrored.scope()), weights(contextlib.nullcontext()), **SAME)
