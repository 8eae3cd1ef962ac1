"""What AutoClip remembers: the last norms, none that is not finite, also after a file."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers, transforms
from tests.contracts.problem import make_variables, read


def lengths(sizes: list[float], **options: Any) -> list[float]:
    """Return how long a step of each gradient was, the gradients being of these norms."""
    optimizer = optimizers.SGD(1.0, gradient_transforms=[transforms.AutoClip(**options)])
    variables = make_variables([np.zeros(4)])
    steps, before = [], np.zeros(4)
    for size in sizes:
        optimizer.apply([keras.ops.convert_to_tensor(np.full(4, size / 2, "float32"))], variables)
        after = read(variables)[0]
        steps.append(float(np.linalg.norm(after - before)))
        before = after
    return steps


def test_the_limit_is_the_percentile_of_all_norms_so_far():
    sizes = [4.0, 1.0, 3.0, 8.0, 2.0]
    limits = [np.percentile(sizes[: n + 1], 30) for n in range(5)]
    assert lengths(sizes, percentile=30) == pytest.approx(
        [min(s, c) for s, c in zip(sizes, limits, strict=True)], rel=1e-5
    )


def test_old_norms_are_forgotten():
    sizes = [1.0, 1.0, 5.0, 5.0, 5.0]
    assert lengths(sizes, percentile=1, window=2)[-1] == pytest.approx(5.0, rel=1e-5)
    assert lengths(sizes, percentile=1, window=5)[-1] == pytest.approx(1.0, rel=1e-5)


def test_a_bad_norm_is_not_remembered():
    optimizer = optimizers.SGD(1.0, gradient_transforms=[transforms.AutoClip(50)], nonfinite="propagate")
    (variable,) = variables = make_variables([np.zeros(4)])
    ones = np.ones(4, "float32")
    for gradient in (ones, ones * np.inf, ones * np.nan):
        variable.assign(np.zeros(4))
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], variables)
    assert not np.isfinite(read(variables)[0]).any()
    variable.assign(np.zeros(4))
    optimizer.apply([keras.ops.convert_to_tensor(5 * ones)], variables)
    # The middle of the norms 2 and 10 is 6.
    np.testing.assert_allclose(read(variables)[0], -3 * ones, rtol=1e-5)


def test_zeros_stay_zeros():
    assert lengths([0.0, 0.0, 2.0, 0.0], percentile=10) == [0.0, 0.0, pytest.approx(0.0), 0.0]
