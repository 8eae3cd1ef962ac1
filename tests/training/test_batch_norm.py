"""Batch norms get the exact statistics of the data, whatever stands around them."""

from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from tests.contracts.running import BACKEND

recalibrate = kno.training.recalibrate_batch_norm


def inputs(rows: int = 50, width: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(2.0, 3.0, (rows, width)).astype("float32")


def deep_model() -> keras.Model:
    """Return two dense layers with norms, and a dropout that would change everything if it ran."""
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, name="first"),
            keras.layers.BatchNormalization(name="norm_1"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(5, activation="relu", name="second"),
            keras.layers.BatchNormalization(name="norm_2"),
        ]
    )
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(rng.uniform(0.2, 1.0, variable.shape))
    return model


def statistics(model: keras.Model) -> list[np.ndarray]:
    return [v.numpy() for v in model.non_trainable_variables if "moving" in v.path]


def twin(model: keras.Model, batches: list[np.ndarray]) -> list[np.ndarray]:
    """Return the statistics of `deep_model` in float64, from the definition."""
    w1, b1, gamma, beta, w2, b2 = (v.numpy().astype("float64") for v in model.trainable_variables[:6])
    first, second = [], []
    for x in batches:
        y = x.astype("float64") @ w1 + b1
        z = gamma * (y - y.mean(0)) / np.sqrt(y.var(0) + 1e-3) + beta
        first.append(y)
        second.append(np.maximum(z @ w2 + b2, 0.0))
    values = [np.concatenate(layer) for layer in (first, second)]
    return [statistic for layer in values for statistic in (layer.mean(0), layer.var(0))]


def assert_equal_statistics(model: keras.Model, expected: list[np.ndarray]) -> None:
    for value, wanted in zip(statistics(model), expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("batch_size", [50, 16, 7])
def test_statistics_are_those_of_all_samples(batch_size: int):
    model, x = deep_model(), inputs()
    assert recalibrate(model, x, batch_size=batch_size) == 2
    batches = [x[i : i + batch_size] for i in range(0, len(x), batch_size)]
    assert_equal_statistics(model, twin(model, batches))


def test_the_first_norm_does_not_depend_on_the_batches():
    x = inputs()
    models = [deep_model(), deep_model()]
    for model, batch_size in zip(models, (50, 3), strict=True):
        recalibrate(model, x, batch_size=batch_size)
    first, second = (statistics(model)[:2] for model in models)
    np.testing.assert_allclose(first, second, rtol=1e-5)


def datasets(x: np.ndarray) -> dict[str, Any]:
    batches = [x[:20], x[20:40], x[40:]]

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, i: int) -> Any:
            return batches[i], np.zeros(len(batches[i]))

    found = {"PyDataset": Batches(), "generator": ((b, np.zeros(len(b))) for b in batches), "list of x": iter(batches)}
    if BACKEND == "tensorflow":
        import tensorflow as tf

        found["tf.data"] = tf.data.Dataset.from_tensor_slices((x, x)).batch(20)
    if BACKEND == "torch":
        import torch

        found["DataLoader"] = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(x)), 20)
    return found


@pytest.mark.parametrize("name", datasets(inputs()))
def test_takes_every_kind_of_data(name: str):
    x = inputs()
    model = deep_model()
    recalibrate(model, datasets(x)[name])
    assert_equal_statistics(model, twin(model, [x[:20], x[20:40], x[40:]]))


def test_takes_some_of_the_data():
    x = inputs()
    model = deep_model()
    recalibrate(model, x, batch_size=20, steps=2)
    assert_equal_statistics(model, twin(model, [x[:20], x[20:40]]))


def test_parts_one_after_the_other_give_the_statistics_of_all():
    x, model, parts = inputs(), deep_model(), deep_model()
    recalibrate(model, x, batch_size=10)
    for seen, (start, end) in ((20, (0, 20)), (30, (20, 30)), (50, (30, 50))):
        recalibrate(parts, x[start:end], batch_size=10, fraction=(end - start) / seen)
    assert_equal_statistics(parts, statistics(model))
    assert_equal_statistics(parts, twin(model, [x[i : i + 10] for i in range(0, 50, 10)]))


def test_a_small_part_leaves_most_of_the_old_statistics():
    x = inputs()
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    (norm,) = model.layers
    norm.moving_mean.assign([1.0, 2.0, 3.0])
    norm.moving_variance.assign([4.0, 5.0, 6.0])
    recalibrate(model, x, batch_size=50, fraction=0.25)
    y = x.astype("float64")
    mean = 0.75 * np.array([1.0, 2.0, 3.0]) + 0.25 * y.mean(0)
    square = 0.75 * (np.array([4.0, 5.0, 6.0]) + np.array([1.0, 4.0, 9.0])) + 0.25 * (y**2).mean(0)
    np.testing.assert_allclose(norm.moving_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), square - mean**2, rtol=1e-5)


def test_sample_weights_do_not_weigh_statistics():
    x = inputs()
    model = deep_model()
    recalibrate(model, iter([(x[:20], np.zeros(20), np.zeros(20)), (x[20:], np.zeros(30), np.ones(30))]))
    assert_equal_statistics(model, twin(model, [x[:20], x[20:]]))


@pytest.mark.slow
@pytest.mark.parametrize("synchronized", [False, True])
def test_replicas_that_drifted_apart_get_the_same_statistics(mirrored: Any, synchronized: bool):
    import tensorflow as tf

    x = inputs(48)
    with mirrored.scope():
        norm = keras.layers.BatchNormalization(synchronized=synchronized)
        model = keras.Sequential([keras.Input((3,)), norm])
        model.compile("sgd", "mse")
    model.fit(x, x, 16, verbose=0)

    def on_replicas() -> list[list[np.ndarray]]:
        pairs = zip(norm.moving_mean.value.values, norm.moving_variance.value.values, strict=True)
        return [[each.numpy() for each in pair] for pair in pairs]

    first, second = on_replicas()
    assert np.array_equal(first, second) == synchronized
    recalibrate(model, x, 16)
    for replica in on_replicas():
        np.testing.assert_allclose(replica, [x.mean(0), x.var(0)], rtol=1e-5)
    distributed = mirrored.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, x)).batch(16))
    with pytest.raises(ValueError, match=r"recalibrate_batch_norm\.data must be a dataset that is not distributed"):
        recalibrate(model, distributed)
    for replica in on_replicas():
        np.testing.assert_allclose(replica, [x.mean(0), x.var(0)], rtol=1e-5)


def test_images_channels_and_masks():
    images = np.random.default_rng(2).normal(1.0, 2.0, (9, 4, 5, 3)).astype("float32")
    model = keras.Sequential([keras.Input((4, 5, 3)), keras.layers.BatchNormalization(axis=1)])
    recalibrate(model, images, batch_size=4)
    mean, variance = statistics(model)
    np.testing.assert_allclose(mean, images.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(variance, images.var((0, 2, 3)), rtol=1e-5)
    series = np.random.default_rng(3).normal(1.0, 2.0, (9, 4, 2)).astype("float32")
    series[:, 2:] = 0.0
    series[4, 1:] = 0.0
    masked = keras.Sequential([keras.Input((4, 2)), keras.layers.Masking(0.0), keras.layers.BatchNormalization()])
    recalibrate(masked, series, batch_size=4)
    seen = series[np.any(series != 0, axis=-1)]
    np.testing.assert_allclose(statistics(masked), [seen.mean(0), seen.var(0)], rtol=1e-5)


def test_frozen_norms_and_all_else_stay_as_they_are():
    model = deep_model()
    model.get_layer("norm_1").trainable = False
    before = [v.numpy() for v in model.variables if "norm_2/moving" not in v.path]
    assert recalibrate(model, inputs()) == 1
    after = [v.numpy() for v in model.variables if "norm_2/moving" not in v.path]
    for x, y in zip(before, after, strict=True):
        np.testing.assert_array_equal(x, y)
    norm = model.get_layer("norm_2")
    assert norm.momentum == 0.99
    assert norm.call.__name__ == "call"
    assert recalibrate(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), None) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, inputs()), r"recalibrate_batch_norm\.model must be a Keras model; received 3"),
        ((deep_model(), inputs(), 0), r"recalibrate_batch_norm\.batch_size must be an integer >= 1; received 0"),
        ((deep_model(), inputs(), 8, 0), r"recalibrate_batch_norm\.steps must be None or an integer >= 1"),
        (
            (deep_model(), inputs(), 8, None, 0.0),
            r"recalibrate_batch_norm\.fraction must be a number in \(0, 1\]; received 0\.0",
        ),
        ((deep_model(), None), r"recalibrate_batch_norm\.data must be arrays or a dataset; received NoneType"),
        ((deep_model(), inputs()[:0]), r"recalibrate_batch_norm\.data must have samples"),
        (
            (keras.Sequential([keras.layers.BatchNormalization()]), inputs()),
            r"recalibrate_batch_norm\.model must be built",
        ),
    ],
)
def test_bad_arguments_change_nothing(arguments: Any, message: str):
    model = arguments[0]
    before = statistics(model) if isinstance(model, keras.Model) and model.built else []
    with pytest.raises(ValueError, match=message):
        recalibrate(*arguments)
    if before:
        np.testing.assert_array_equal(np.concatenate(before), np.concatenate(statistics(model)))


def test_statistics_that_are_nan_are_mended():
    model, x = deep_model(), inputs()
    model.get_layer("norm_1").moving_mean.assign(np.full(4, np.nan))
    recalibrate(model, x, batch_size=50)
    assert_equal_statistics(model, twin(model, [x]))


def test_an_error_in_the_data_restores_the_statistics():
    def broken() -> Any:
        yield inputs()
        raise OSError("disk")

    model = deep_model()
    before = np.concatenate(statistics(model))
    with pytest.raises(OSError, match="disk"):
        recalibrate(model, broken())
    np.testing.assert_array_equal(before, np.concatenate(statistics(model)))
    assert model.get_layer("norm_1").momentum == 0.99


@pytest.mark.slow
def test_the_callback_recalibrates_the_averaged_weights():
    x = inputs()
    model = deep_model()
    model.compile(kno.optimizers.StochasticWeightAveraging(kno.optimizers.SGD(0.05), start_step=2), "mse")
    model.fit(x, np.zeros((50, 5)), batch_size=16, callbacks=[kno.callbacks.RecalibrateBatchNorm(x, 50)], verbose=0)
    assert_equal_statistics(model, twin(model, [x]))
