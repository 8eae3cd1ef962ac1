"""Options of single transforms that change which variables, or how many at once, they see."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers, transforms
from keras_neural_opt._core import units
from tests.contracts.problem import assert_follows, distance, gradients, make_variables, read, start_values
from tests.contracts.running import WAYS, run
from tests.oracles import clipping
from tests.oracles import transforms as oracles


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


@keras.saving.register_keras_serializable("tests")
def only_matrices(variable: Any) -> bool:
    return len(variable.shape) == 2


@pytest.mark.parametrize("cls", [transforms.GradientCentralization, transforms.AdaptiveGradientClipping])
def test_a_mask_that_is_a_function_comes_back(cls: Any):
    for optimizer in (
        optimizers.SGD(gradient_transforms=[cls(mask=only_matrices)]),
        optimizers.with_transforms(keras.optimizers.SGD(), [cls(mask=only_matrices)]),
    ):
        again = type(optimizer).from_config(optimizer.get_config())
        assert again.gradient_transforms[0].mask is only_matrices
    assert "function" in repr(cls(mask=lambda variable: True))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("per_variable", [False, True])
def test_half_precision_is_normalized_where_the_factor_is_none_of_its_numbers(dtype: str, per_variable: bool):
    variables = make_variables([np.zeros(3), np.zeros(2)], dtype)
    transform = transforms.NormalizeGradients(1.0, per_variable)
    tiny = keras.ops.convert_to_tensor(np.full(3, 5e-6), dtype)
    optimizers.SGD(1.0, gradient_transforms=[transform]).apply([tiny, keras.ops.zeros(2, dtype)], variables)
    exact = float(keras.ops.convert_to_numpy(keras.ops.cast(tiny, "float32"))[0])
    length = np.sqrt(3) * exact
    np.testing.assert_allclose(read(variables)[0], np.full(3, -exact / (length + 1e-6)), rtol=0.01)
    np.testing.assert_array_equal(read(variables)[1], np.zeros(2))


def test_the_mean_of_many_small_halves_is_not_lost():
    variables = make_variables([np.zeros((4608, 2))], "float16")
    gradient = keras.ops.full((4608, 2), 1e-4, dtype="float16")
    optimizers.SGD(1.0, gradient_transforms=[transforms.GradientCentralization()]).apply([gradient], variables)
    assert np.abs(read(variables)[0]).max() < 2e-7


def test_a_unit_of_one_input_is_left_alone_and_a_row_is_one_unit():
    row = np.array([[1.0, 2.0, 3.0]], "float32")
    np.testing.assert_allclose(moved(transforms.GradientCentralization(), [row])[0], row, rtol=1e-5)
    clipped = moved(transforms.AdaptiveGradientClipping(0.01), [row])[0]
    np.testing.assert_allclose(clipped / clipped[0, 0], row, rtol=1e-4)


def test_a_huge_unit_hides_no_other():
    gradient = np.array([[1e25, 10.0], [1e25, 10.0]], "float32")
    start = start_values([(2, 2)])[0].astype("float64")
    moves = moved(transforms.AdaptiveGradientClipping(0.01), [gradient])[0]
    np.testing.assert_allclose(np.linalg.norm(moves, axis=0), 0.01 * np.linalg.norm(start, axis=0), rtol=1e-3)


@pytest.mark.parametrize("way", WAYS)
def test_units_whose_squares_overflow_are_clipped_in_every_way(way: str):
    start, directions = start_values(), gradients(1)[0]
    huge = [(1e30 * g).astype("float32") if g.ndim == 2 else g for g in directions]
    changed = oracles.clipped_by_unit(read(huge), read(start), 3.0, 1e-3)
    expected = [p - g for p, g in zip(read(start), changed, strict=True)]
    optimizer = optimizers.SGD(1.0, gradient_transforms=[transforms.AdaptiveGradientClipping(3.0)])
    assert_follows(run(optimizer, start, [huge], way).trajectory, [expected], start)


def test_units_whose_squares_vanish_are_clipped():
    gradient, weight = np.full((2, 2), 1e-20, "float32"), np.full((2, 2), 1e-22, "float32")
    variable = make_variables([weight])[0]
    optimizer = optimizers.SGD(1.0, gradient_transforms=[transforms.AdaptiveGradientClipping(1.0, epsilon=1e-24)])
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    np.testing.assert_allclose(read([variable])[0], np.zeros((2, 2)), atol=1e-27)


def test_usual_units_take_the_short_way(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(units, "_safe_norms", lambda x: x * float("nan"))
    values = gradients(1)[0]
    expected = oracles.clipped_by_unit(read(values), read(start_values()), 0.5, 1e-3)
    moves = moved(transforms.AdaptiveGradientClipping(0.5), values)
    assert distance(moves, expected) < 1e-6


def test_the_mean_of_the_largest_floats_is_one():
    column = np.full((3, 1), 3e38, "float32")
    column[2] = 0.0
    centred = moved(transforms.GradientCentralization(), [column])[0]
    np.testing.assert_allclose(centred, [[1e38], [1e38], [-2e38]], rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no float64 unless it is asked for at its start")
def test_variables_of_two_precisions_are_clipped():
    variables = [*make_variables([np.ones((2, 2))], "float64"), *make_variables([np.ones((2, 2))])]
    given = [keras.ops.ones((2, 2), v.dtype) for v in variables]
    optimizers.SGD(1.0, gradient_transforms=[transforms.AdaptiveGradientClipping(0.01)]).apply(given, variables)
    for value in read(variables):
        np.testing.assert_allclose(value, np.full((2, 2), 0.99), rtol=1e-5)


def test_what_is_overwritten_with_its_gradient_is_not_transformed():
    scale = keras.Variable(1.0)
    scale.overwrite_with_gradient = True
    weight = keras.Variable(1.0)
    optimizer = optimizers.with_transforms(keras.optimizers.SGD(1.0), [transforms.ClipByValue(1.0)])
    optimizer.apply([keras.ops.convert_to_tensor(5.0), keras.ops.convert_to_tensor(5.0)], [scale, weight])
    assert read([scale, weight]) == [5.0, 0.0]


def test_a_mask_that_is_a_lambda_is_not_saved():
    transform = transforms.GradientCentralization(lambda variable: True)
    with pytest.raises(ValueError, match=r"^GradientCentralization\.mask must be a registered function to be saved"):
        transform.get_config()
