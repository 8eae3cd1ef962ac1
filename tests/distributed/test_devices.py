"""Several devices of one process: replicas of TensorFlow, and JAX's own."""

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt._core.nested import chain

BACKEND = keras.backend.backend()
pytestmark = pytest.mark.slow


@pytest.fixture
def scope(request: pytest.FixtureRequest):
    """Return the scope in which models are trained by all devices."""
    if BACKEND == "torch":
        pytest.skip("torch has one device a process")
    if BACKEND == "jax":
        return keras.distribution.DataParallel(auto_shard_dataset=False).scope
    return request.getfixturevalue("mirrored").scope


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 8)).astype("float32")
    return x, (x[:, :2] @ rng.standard_normal((2, 1))).astype("float32")


def reduces(optimizer: keras.optimizers.Optimizer) -> bool:
    return any(isinstance(x, kno.distributed.DistributedOptimizer) for x in chain(optimizer))


def train(optimizer, *layers: keras.layers.Layer, epochs: int = 3) -> tuple[keras.Model, list[float]]:
    """Return a trained model and its losses."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "tanh"), *layers, keras.layers.Dense(1)])
    model.compile(optimizer, "mse", metrics=["mae"])
    if reduces(optimizer):
        kno.distributed.distribute(model)
    x, y = data()
    history = model.fit(x, y, batch_size=16, epochs=epochs, shuffle=False, verbose=0)
    return model, [*history.history["loss"], *history.history["mae"]]


def weights(model: keras.Model) -> np.ndarray:
    return np.concatenate([keras.ops.convert_to_numpy(v).ravel() for v in model.trainable_variables])


@pytest.mark.parametrize("around", [None, "ema"])
def test_devices_together_are_as_one(scope, around: str | None) -> None:
    def optimizer(inner):
        return kno.optimizers.ExponentialMovingAverage(inner, momentum=0.9) if around == "ema" else inner

    clipped = {"learning_rate": 0.01, "global_clipnorm": 0.1}
    alone, losses = train(optimizer(kno.optimizers.Adam(**clipped)))
    with scope():
        inner = kno.distributed.DistributedOptimizer(keras.optimizers.Adam(**clipped))
        model, found = train(optimizer(inner))
        assert np.abs(weights(model) - weights(alone)).max() < 1e-6
        assert found == pytest.approx(losses, rel=1e-4)
        assert inner.bytes_sent > 0


def test_rows_of_an_embedding_are_sent_as_any_gradient(scope) -> None:
    rows = np.random.default_rng(0).integers(0, 12, (64, 3))

    def trained(optimizer) -> np.ndarray:
        keras.utils.set_random_seed(1)
        layers = keras.layers.Embedding(12, 4), keras.layers.Flatten(), keras.layers.Dense(1)
        model = keras.Sequential([keras.Input((3,), dtype="int32"), *layers])
        model.compile(optimizer, "mse")
        if reduces(optimizer):
            kno.distributed.distribute(model)
        model.fit(rows, data()[1], batch_size=16, epochs=2, shuffle=False, verbose=0)
        return weights(model)

    alone = trained(kno.optimizers.SGD(0.1))
    with scope():
        assert np.abs(trained(kno.distributed.DistributedOptimizer(kno.optimizers.SGD(0.1))) - alone).max() < 1e-6


@pytest.mark.parametrize("compression", [None, kno.compression.TopK(0.5)], ids=repr)
def test_gradients_of_several_calls_are_sent_once(scope, compression) -> None:
    sgd = {"learning_rate": 0.05, "momentum": 0.5}
    alone, _ = train(kno.optimizers.GradientAccumulation(kno.optimizers.SGD(**sgd), 3))
    with scope():
        inner = kno.distributed.DistributedOptimizer(kno.optimizers.SGD(**sgd), compression, accumulation_steps=3)
        model, _ = train(inner)  # twelve calls
        off = np.abs(weights(model) - weights(alone)).max()
        assert off < 1e-6 if compression is None else 1e-6 < off < 0.2
        assert int(keras.ops.convert_to_numpy(inner.iterations)) == 4
        once = kno.distributed.DistributedOptimizer(kno.optimizers.SGD(**sgd), compression)
        train(once)
        assert inner.bytes_sent == pytest.approx(once.bytes_sent / 3, rel=0.01)


@pytest.mark.parametrize("compression", [kno.compression.Int8(), kno.compression.TopK(0.1, warmup_steps=4)], ids=repr)
def test_devices_train_with_compressors(scope, compression) -> None:
    with scope():
        model, losses = train(kno.distributed.DistributedOptimizer("adam", compression), epochs=20)
        assert losses[19] < 0.8 * losses[0]
        assert np.isfinite(weights(model)).all()


def test_batch_norms_keep_the_mean_of_all_devices(scope) -> None:
    if BACKEND != "jax":
        pytest.skip("Keras keeps what the first replica's batch norms have seen")

    def first_step() -> np.ndarray:
        norm = keras.layers.BatchNormalization()
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), norm, keras.layers.Dense(1)])
        model.compile(kno.distributed.DistributedOptimizer("adam"), "mse")
        kno.distributed.distribute(model)
        x, y = data()
        model.fit(x, y, batch_size=len(x), shuffle=False, verbose=0)
        return keras.ops.convert_to_numpy(norm.moving_mean)

    alone = first_step()
    with scope():
        assert first_step() == pytest.approx(alone, rel=1e-5, abs=1e-7)
    assert np.abs(alone).max() > 1e-4


def test_devices_draw_numbers_of_their_own_and_keep_one_seed(scope) -> None:
    if BACKEND != "jax":
        pytest.skip("a strategy's replicas have seeds of their own")
    from keras_neural_opt.distributed._jax_step import _Step

    seed = keras.ops.convert_to_tensor([3, 12], "uint32")
    drawn = [_Step._as_own(seed, keras.ops.convert_to_tensor(rank)).tolist() for rank in range(4)]
    assert len({tuple(x) for x in drawn}) == 4
    assert {x[1] for x in drawn} == {12}
    with scope():
        dropout = keras.layers.Dropout(0.5, seed=3)
        train(kno.distributed.DistributedOptimizer("adam"), dropout)
        # As many draws as steps, from where it began.
        assert keras.ops.convert_to_numpy(dropout.seed_generator.state).tolist() == [3, 12]


def test_jax_needs_its_train_step(scope) -> None:
    if BACKEND != "jax":
        pytest.skip("the other engines reduce where the optimizer gets its gradients")
    with scope():
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        model.compile(kno.distributed.DistributedOptimizer("adam"), "mse")
        with pytest.raises(RuntimeError, match=r"kno.distributed.distribute\(model\)"):
            model.fit(*data(), batch_size=16, verbose=0)
        model.compile("adam", "mse")
        with pytest.raises(ValueError, match="compiled with a DistributedOptimizer"):
            kno.distributed.distribute(model)


def test_what_belongs_elsewhere_is_refused() -> None:
    optimizer = kno.distributed.DistributedOptimizer("adam")
    with pytest.raises(ValueError, match=r"write DistributedOptimizer\(LossScale"):
        keras.optimizers.LossScaleOptimizer(optimizer)
    if BACKEND == "jax":
        with pytest.raises(ValueError, match="must not scale the loss dynamically on JAX"):
            kno.distributed.DistributedOptimizer(kno.optimizers.LossScale("adam"))
    else:
        kno.distributed.DistributedOptimizer(kno.optimizers.LossScale("adam"))
    with pytest.raises(ValueError, match="must not accumulate gradients"):
        kno.distributed.DistributedOptimizer(kno.optimizers.GradientAccumulation("adam", 2))
    for around in (kno.optimizers.GradientAccumulation, kno.optimizers.Cautious):
        options = {"steps": 2} if around is kno.optimizers.GradientAccumulation else {}
        with pytest.raises(ValueError, match="must not reduce gradients among workers"):
            around(kno.distributed.DistributedOptimizer("adam"), **options)
    with pytest.raises(ValueError, match="accumulation_steps must be None or an integer >= 1"):
        kno.distributed.DistributedOptimizer("adam", accumulation_steps=0)
    with pytest.raises(ValueError, match=r"DistributedOptimizer.compression must be None or a compressor"):
        kno.distributed.DistributedOptimizer("adam", "int8")
    with pytest.raises(ValueError, match=r"DistributedOptimizer.warmup_steps must be an integer >= 0"):
        kno.distributed.DistributedOptimizer("adam", warmup_steps=-1)
    with pytest.raises(ValueError, match=r"save.path must end in .keras"):
        kno.distributed.save(keras.Sequential([keras.Input((1,))]), "model.h5")
    with pytest.raises(ValueError, match=r"distribute.model must be a keras.Model"):
        kno.distributed.distribute("model")


def test_a_configuration_makes_the_same() -> None:
    compression = kno.compression.ErrorFeedback(kno.compression.Int4(), decay=0.9)
    optimizer = kno.distributed.DistributedOptimizer(keras.optimizers.Adam(0.1), compression, warmup_steps=3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert repr(again.compression) == repr(compression)
    assert again.get_config() == optimizer.get_config()
