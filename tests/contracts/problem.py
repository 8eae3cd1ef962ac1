"""The variables and gradients that the contracts work with, and how far two results may differ."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

Arrays = list[np.ndarray]
Gradients = Sequence[np.ndarray | None]

# A scalar, a vector, a matrix and a convolution kernel.
SHAPES: tuple[tuple[int, ...], ...] = ((), (3,), (4, 5), (2, 3, 2, 2))
STEPS = 10
OPTAX_STEPS = 5000  # half of those that optax's own tests of convergence take
# Sizes that rise and fall, so that a maximum (AMSGrad), a bound or a clip matters in some steps and not in others.
SIZES = (1.0, 0.3, 2.0, 0.2, 1.0, 0.5, 1.5, 0.4, 0.7, 1.0)
# Of the largest displacement after ten steps. Every step rounds a float32 variable by at most 6e-8 of its size, which
# is about the displacement, and the roundings partly cancel. Two backends that keep this agree within 1e-6.
TO_ORACLE = 5e-7


def start_values(shapes: Sequence[tuple[int, ...]] = SHAPES, seed: int = 0) -> Arrays:
    """Return initial values in float32, of about the size of a layer's weights."""
    rng = np.random.default_rng([7, seed])
    return [rng.uniform(-0.3, 0.3, shape).astype("float32") for shape in shapes]


def gradients(steps: int = STEPS, shapes: Sequence[tuple[int, ...]] = SHAPES, seed: int = 0) -> list[Arrays]:
    """Return gradients in float32: a fixed direction with noise, so that ten steps lead somewhere."""
    rng = np.random.default_rng([11, seed])
    directions = [rng.choice([-1.0, 1.0], shape) for shape in shapes]
    return [
        [np.asarray(SIZES[step % len(SIZES)] * (d + 0.5 * rng.standard_normal(d.shape)), "float32") for d in directions]
        for step in range(steps)
    ]


def make_variables(values: Arrays, dtype: str = "float32") -> list[Any]:
    """Return Keras variables, named after their position."""
    return [keras.Variable(value, dtype=dtype, name=f"variable_{i}") for i, value in enumerate(values)]


def read(variables: Sequence[Any]) -> Arrays:
    """Return copies of the variables' values, in float64."""
    return [np.array(keras.ops.convert_to_numpy(v), "float64") for v in variables]


def largest(arrays: Sequence[np.ndarray]) -> float:
    """Return the largest absolute value in all arrays; infinite where there is no number."""
    return max((np.inf if np.isnan(a).any() else float(np.max(np.abs(a))) for a in arrays if a.size), default=0.0)


def distance(xs: Sequence[np.ndarray], ys: Sequence[np.ndarray]) -> float:
    """Return the largest difference of two elements at the same place."""
    return largest([x - y for x, y in zip(xs, ys, strict=True)])


def assert_follows(
    trajectory: Sequence[Arrays], expected: Sequence[Arrays], start: Arrays, tolerance: float = TO_ORACLE
) -> None:
    """Assert that a trajectory is the expected one, within a fraction of the largest displacement."""
    displacement = distance(expected[-1], start)
    assert displacement > 0.01, f"a displacement of {displacement} cannot be told from rounding"
    assert len(trajectory) == len(expected)
    for step, (values, wanted) in enumerate(zip(trajectory, expected, strict=True)):
        difference = distance(values, wanted)
        limit = tolerance * displacement
        assert difference <= limit, f"off by {difference:.3g} after step {step + 1}, allowed is {limit:.3g}"


def assert_same(xs: Sequence[np.ndarray], ys: Sequence[np.ndarray], what: str) -> None:
    """Assert that two lists of arrays are equal, bit for bit (NaN equals NaN)."""
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        assert np.array_equal(x, y, equal_nan=True), f"{what}: number {i} is {x}, must be {y}"
