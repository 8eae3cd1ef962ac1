"""Options of single transforms that change which variables, or how many at once, they see."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers, transforms
from tests.contracts.problem import gradients, make_variables, read, start_values
from tests.oracles import clipping


def moved(transform: Any, values: list[np.ndarray]) -> list[np.ndarray]:
    """Return the gradients that an optimizer followed."""
    start = start_values([np.shape(x) for x in values])
    variables = make_variables(start)
    optimizers.SGD(1.0, gradient_transforms=[transform]).apply(
        [keras.ops.convert_to_tensor(x) for x in values], variables
    )
    return [before - after for before, after in zip(read(start), read(variables), strict=True)]


def test_each_variable_can_be_normalized_alone():
    for gradient in moved(transforms.NormalizeGradients(3.0, per_variable=True), gradients(1)[0]):
        assert clipping.norm([gradient]) == pytest.approx(3.0, rel=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda mask: transforms.GradientCentralization(mask),
        lambda mask: transforms.AdaptiveGradientClipping(0.01, mask=mask),
    ],
    ids=["GradientCentralization", "AdaptiveGradientClipping"],
)
@pytest.mark.parametrize("mask", [["variable_3"], ["!variable_2", "!variable_0", "!variable_1"]])
def test_a_mask_leaves_variables_out(make: Any, mask: list[str]):
    values = gradients(1)[0]
    results = moved(make(mask), values)
    for number, (result, value) in enumerate(zip(results, values, strict=True)):
        assert np.allclose(result, value, atol=1e-6) == (number != 3)


def test_a_unit_is_a_filter_of_a_convolution():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype("float32")
    centred = moved(transforms.GradientCentralization(), [kernel])[0]
    np.testing.assert_allclose(centred.mean((0, 1, 2)), np.zeros(4), atol=1e-6)
    np.testing.assert_allclose(centred - kernel, np.broadcast_to((centred - kernel)[0, 0, 0], kernel.shape), atol=1e-6)


def test_a_mask_that_is_a_lambda_is_not_saved():
    transform = transforms.GradientCentralization(lambda variable: True)
    with pytest.raises(ValueError, match=r"^GradientCentralization\.mask must be a registered function to be saved"):
        transform.get_config()
