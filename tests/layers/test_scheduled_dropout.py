"""Which units are dropped, and what comes of the others."""

import math
from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest
from keras import ops

from keras_neural_opt import layers, schedules
from tests.layers.probe import BACKEND
from tests.layers.test_scheduled_rate import KINDS, numbers

HALVES = {"mixed_float16": np.float16, "mixed_bfloat16": ml_dtypes.bfloat16}


def output(layer: Any, x: Any) -> np.ndarray:
    return numbers(layer(x, training=True))


@pytest.mark.parametrize("kind", [layers.ScheduledDropout, layers.ScheduledGaussianDropout])
@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_at_a_rate_of_0_outputs_are_the_inputs(kind: type, dtype: str):
    layer = kind(schedules.EarlyDropout(0.5, 1), dtype=dtype)
    x = np.resize([1.0, -0.0, 0.0, -3.3, math.inf, -math.inf, math.nan, 1e-4], KINDS[kind])
    x = x.astype(HALVES.get(dtype, np.float32))
    before = output(layer, x)
    assert before.tobytes() != x.tobytes()
    for _ in range(2):
        after = output(layer, x)
        assert after.dtype == x.dtype
        after, expected = after.astype("float32"), x.astype("float32")
        np.testing.assert_array_equal(after, expected)
        np.testing.assert_array_equal(np.signbit(after[after == 0]), np.signbit(expected[expected == 0]))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("rate", [3e-4, 0.9, 0.999])
def test_half_precision_loses_nothing_of_the_rate(dtype: str, rate: float):
    x = np.ones((1024, 1024), HALVES[dtype])
    for given in (rate, schedules.Constant(rate)):  # A weight that is read, and one that is only written.
        y = output(layers.ScheduledDropout(given, dtype=dtype), x)
        assert y.dtype == x.dtype
        share = float(np.mean(y.astype("float32") == 0))
        assert abs(share - rate) <= 4 * math.sqrt(rate * (1 - rate) / x.size)
        assert y.max() == HALVES[dtype](1 / (1 - rate))


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_keeps_the_spread_of_noise(dtype: str):
    rate = 0.9
    y = output(layers.ScheduledGaussianDropout(rate, dtype=dtype), np.ones((512, 512), HALVES[dtype]))
    deviation = math.sqrt(rate / (1 - rate))
    spread = float(y.astype("float64").std())
    # Four standard errors; rounding adds 1e-6 of the variance.
    assert abs(spread - deviation) <= 4 * deviation / math.sqrt(2 * y.size)


def test_noise_has_the_mean_and_the_deviation_of_dropout():
    schedule = schedules.CurriculumDropout(0.5, 10)
    layer, x = layers.ScheduledGaussianDropout(schedule), np.full((256, 256), 2.0, "float32")
    for step in range(6):
        y = output(layer, x).astype("float64")
        deviation = 2 * math.sqrt(schedule(step) / (1 - schedule(step)))
        assert abs(y.mean() - 2) <= 4 * deviation / math.sqrt(y.size)
        assert abs(y.std() - deviation) <= 4 * deviation / math.sqrt(2 * y.size) + 1e-12


@pytest.mark.parametrize("rate", [0.3, schedules.Constant(0.3)], ids=["number", "schedule"])
def test_noise_is_that_of_the_generator(rate: Any):
    layer, x = layers.ScheduledGaussianDropout(rate, seed=7), np.linspace(-2, 2, 32, dtype="float32").reshape(4, 8)
    twin = keras.random.SeedGenerator(7)
    for _ in range(2):
        z = numbers(keras.random.normal((4, 8), seed=twin)).astype("float64")
        np.testing.assert_allclose(output(layer, x), x * (1 + math.sqrt(0.3 / 0.7) * z), rtol=1e-6, atol=1e-6)


def test_masks_are_that_of_the_generator():
    layer, x = layers.ScheduledDropout(0.3, seed=7), np.linspace(-2, 2, 32, dtype="float32").reshape(4, 8)
    twin = keras.random.SeedGenerator(7)
    for _ in range(2):
        kept = numbers(keras.random.uniform((4, 8), seed=twin)) >= np.float32(0.3)
        np.testing.assert_allclose(output(layer, x), np.where(kept, x / 0.7, 0), rtol=3e-7)


@pytest.mark.parametrize("noise_shape", [(None, 1, None), (4, 1, 64), [1, None, 64], (None, 16, 1), (1, 1, 1)])
def test_a_mask_is_shared_where_its_shape_is_1(noise_shape: Any):
    layer = layers.ScheduledDropout(schedules.Constant(0.5), noise_shape, seed=3)
    dropped = output(layer, np.ones((4, 16, 64), "float32")) == 0
    drawn = dropped
    for axis, size in enumerate(noise_shape):
        if size == 1:
            drawn = drawn.take([0], axis)
    np.testing.assert_array_equal(dropped, np.broadcast_to(drawn, dropped.shape))
    if drawn.size > 1:
        assert abs(drawn.mean() - 0.5) <= 4 * 0.5 / math.sqrt(drawn.size)
        # Along the other axes units are dropped each for itself.
        for axis, size in enumerate(noise_shape):
            assert size == 1 or np.any(drawn.take([0], axis) != drawn)
    assert layers.ScheduledDropout.from_config(layer.get_config()).noise_shape == tuple(noise_shape)


@pytest.mark.parametrize("noise_shape", [(4,), (4, 8, 1), (4, 5), (2, 8)])
def test_a_mask_that_does_not_fit_is_refused(noise_shape: Any):
    layer = layers.ScheduledDropout(0.5, noise_shape, name="drop")
    with pytest.raises(ValueError, match=r"drop: noise_shape \(.*\) cannot be broadcast to inputs of shape \(4, 8\)"):
        output(layer, np.ones((4, 8), "float32"))


@pytest.mark.parametrize("bad", [3, "3", (0,), (-1, 2), (1.5,), ("1",), (True,), {1: 2}, [[1]]])
def test_bad_noise_shapes_are_refused(bad: Any):
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared
        layers.ScheduledDropout(0.5, bad)
    message = f"ScheduledDropout.noise_shape must be None or a tuple of integers >= 1 and None; received {bad!r}"
    assert str(refused.value) == message


SPATIAL = [kind for kind in KINDS if "Spatial" in kind.__name__]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("kind", SPATIAL, ids=lambda kind: kind.__name__)
def test_spatial_dropout_drops_whole_channels(kind: type, data_format: str):
    rank = len(KINDS[kind])
    if rank == 3 and data_format == "channels_first":
        pytest.skip("sequences have their channels last")
    options = {} if rank == 3 else {"data_format": data_format}
    layer = kind(schedules.Constant(0.3), **options)
    channels = rank - 1 if data_format == "channels_last" else 1
    shape = [2] * rank
    shape[0] = shape[channels] = 64
    y = output(layer, np.ones(shape, "float32"))
    flat = np.moveaxis(y, channels, 1).reshape(64, 64, -1)
    np.testing.assert_array_equal(flat, np.broadcast_to(flat[..., :1], flat.shape))
    assert abs(np.mean(flat[..., 0] == 0) - 0.3) <= 4 * math.sqrt(0.3 * 0.7 / 64**2)
    assert y.max() == pytest.approx(1 / 0.7, rel=3e-7)
    with pytest.raises(ValueError, match="incompatible with the layer: expected ndim"):
        output(layer, np.ones((4, 8), "float32"))


def test_a_bad_data_format_is_refused():
    for kind in (layers.ScheduledSpatialDropout2D, layers.ScheduledSpatialDropout3D):
        with pytest.raises(
            ValueError, match=r"data_format must be None or one of .*; received 'channels'; did you mean"
        ):
            kind(0.5, data_format="channels")
        assert kind(0.5).data_format == keras.config.image_data_format()


def test_gradients_go_through_what_was_kept():
    layer, ones = layers.ScheduledDropout(schedules.Constant(0.5), seed=1), np.ones((8, 8), "float32")
    if BACKEND == "jax":
        import jax

        values = [v.value for v in layer.non_trainable_variables]

        def outputs(x: Any) -> Any:
            return layer.stateless_call([], values, x, training=True)[0]

        y, gradient = outputs(ones), jax.grad(lambda x: outputs(x).sum())(ones)
    elif BACKEND == "torch":
        x = ops.convert_to_tensor(ones).requires_grad_(True)
        y = layer(x, training=True)
        y.sum().backward()
        y, gradient = y.detach(), x.grad
    else:
        import tensorflow as tf

        x = tf.constant(ones)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        gradient = tape.gradient(y, x)
    # Of ones, each output is the factor of its input.
    np.testing.assert_array_equal(numbers(gradient), numbers(y))
    assert set(np.unique(numbers(y))) == {0.0, 2.0}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if len(KINDS[kind]) < 4], ids=lambda kind: kind.__name__)
def test_masks_of_timesteps_pass(kind: type):
    x = np.arange(1.0, 31.0, dtype="float32").reshape(2, 5, 3)
    x[0, 3:] = 0.0
    model = keras.Sequential([keras.layers.Masking(), kind(0.5), keras.layers.GlobalAveragePooling1D()])
    np.testing.assert_allclose(numbers(model(x)), [x[0, :3].mean(0), x[1].mean(0)], rtol=1e-6)
