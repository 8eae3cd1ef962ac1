"""Depthwise convolutions in trials: what Keras computes, on JAX by a loop."""

import keras
import numpy as np
import pytest

from keras_neural_opt._core.backend import NAME, native
from keras_neural_opt.nas._depthwise import depthwise_conv, with_quick_depthwise

of_jax = pytest.mark.skipif(NAME != "jax", reason="elsewhere it is Keras' own")
CASES = [
    # rows, columns, kernel, stride, padding
    (9, 7, (3, 3), 1, "same"),
    (9, 7, (5, 5), 2, "same"),
    (8, 8, (5, 5), 2, "same"),
    (8, 11, (4, 2), 3, "same"),
    (9, 7, (3, 5), 1, "valid"),
    (10, 9, (3, 3), 2, "valid"),
    (3, 2, (7, 7), 1, "same"),
    (1, 1, (3, 3), 2, "same"),
]


def given(rows: int, columns: int, kernel: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return (
        rng.normal(size=(2, rows, columns, 3)).astype("float32"),
        rng.normal(size=(*kernel, 3, 1)).astype("float32"),
    )


@of_jax
@pytest.mark.parametrize(("rows", "columns", "kernel", "stride", "padding"), CASES)
def test_it_and_its_gradients_are_those_of_keras(
    rows: int, columns: int, kernel: tuple[int, int], stride: int, padding: str
) -> None:
    arrays = given(rows, columns, kernel)

    def outputs(convolve):
        tensors = [keras.ops.convert_to_tensor(each) for each in arrays]
        y = convolve(*tensors)
        weights = np.random.default_rng(1).normal(size=y.shape).astype("float32")
        found = native.gradients(lambda both: keras.ops.sum(convolve(*both) * weights), tensors)
        return [keras.ops.convert_to_numpy(each) for each in (y, *found)]

    ours = outputs(lambda x, k: depthwise_conv(x, k, stride, padding))
    theirs = outputs(lambda x, k: keras.ops.depthwise_conv(x, k, strides=stride, padding=padding))
    for own, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-5)


@of_jax
def test_half_precision_sums_in_single() -> None:
    import jax.numpy as jnp

    x = jnp.full((1, 1, 1, 1), 1.0, "bfloat16")
    # 0.0039 is lost beside 1 in bfloat16, four of them are not.
    image = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=0.00390625)
    kernel = jnp.ones((3, 3, 1, 1), "bfloat16")
    got = depthwise_conv(image, kernel, 1, "valid")
    assert got.dtype == jnp.bfloat16
    assert float(got[0, 0, 0, 0]) == 1.03125


@of_jax
def test_products_beyond_half_precision_do_not_overflow() -> None:
    import jax.numpy as jnp

    x = jnp.full((1, 1, 2, 1), 300.0, "float16")
    kernel = jnp.array([300.0, -300.0], "float16").reshape(1, 2, 1, 1)
    assert float(depthwise_conv(x, kernel, 1, "valid")[0, 0, 0, 0]) == 0.0


@of_jax
def test_layers_of_a_network_do_it_and_keep_what_they_return() -> None:
    inside = keras.Sequential([keras.Input((8, 8, 4)), keras.layers.DepthwiseConv2D(3, activation="relu")])
    x = keras.Input((8, 8, 4))
    options = {"strides": 2}, {"depth_multiplier": 2}, {"dilation_rate": 2}, {"padding": "same", "use_bias": False}
    layers = [keras.layers.DepthwiseConv2D(3, **each) for each in options]
    model = keras.Model(x, [*(layer(x) for layer in layers), inside(x)])
    for layer in model._flatten_layers():
        if getattr(layer, "use_bias", False):
            layer.bias.assign(np.arange(1.0, layer.bias.shape[0] + 1.0))
    data = np.random.default_rng(0).normal(size=(2, 8, 8, 4)).astype("float32")
    before = model.predict(data, verbose=0)
    with_quick_depthwise(model)
    assert ["call" in vars(layer) for layer in layers] == [True, False, False, True]
    assert "call" in vars(inside.layers[-1])
    model.make_predict_function(force=True)
    for own, other in zip(model.predict(data, verbose=0), before, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-5)
    # Of what is saved nothing changes.
    assert keras.Model.from_config(model.get_config()).count_params() == model.count_params()


@of_jax
def test_only_while_a_network_is_made_xla_tries_less() -> None:
    import jax

    from keras_neural_opt.nas import SearchSpace

    seen = []

    def build(genes):
        seen.append(jax.config.read("jax_disable_most_optimizations"))
        raise RuntimeError("broken")

    before = jax.config.read("jax_disable_most_optimizations")
    with pytest.raises(RuntimeError, match="broken"):
        SearchSpace([("units", "categorical", [1, 2])], build).build({"units": 1})
    assert (seen, before) == ([True], False)
    assert jax.config.read("jax_disable_most_optimizations") is before
