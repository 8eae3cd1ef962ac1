"""Contracts on convergence: the minimum of a quadratic and of Rosenbrock's function, on every backend."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tests.contracts.contract import contract
from tests.contracts.problem import make_variables, read
from tests.contracts.running import COMPILED, run_on
from tests.contracts.subject import Subject

CURVATURES = np.array([[1.0, 3.0, 10.0], [30.0, 60.0, 100.0]])
QUADRATIC_MINIMUM = np.array([[1.0, -1.0, 0.5], [-0.5, 0.25, 0.0]])

Gradient = Callable[[np.ndarray], np.ndarray]


def quadratic(x: np.ndarray) -> np.ndarray:
    """Return the gradient of half the sum of `CURVATURES * (x - QUADRATIC_MINIMUM)**2`: condition 100."""
    return CURVATURES * (x - QUADRATIC_MINIMUM)


def rosenbrock(x: np.ndarray) -> np.ndarray:
    """Return the gradient of `(1 - x)**2 + 100 * (y - x**2)**2`: a curved valley, with its minimum at (1, 1)."""
    slope = x[1] - x[0] ** 2
    return np.array([-2 * (1 - x[0]) - 400 * x[0] * slope, 200 * slope])


def assert_reaches(
    subject: Subject, gradient: Gradient, minimum: np.ndarray, steps: int, within: float, **options: Any
) -> None:
    """Assert that a rate that falls along a cosine leads from 0 to the minimum, up to `within` of the way."""
    schedule = keras.optimizers.schedules.CosineDecay(options.pop("learning_rate"), steps)
    variables = make_variables([np.zeros(minimum.shape, "float32")])
    gradients = ([gradient(read(variables)[0]).astype("float32")] for _ in range(steps))
    optimizer = subject.make(**options, learning_rate=schedule)
    run_on(optimizer, variables, gradients, COMPILED[-1] if COMPILED else "eager")
    left = np.linalg.norm(read(variables)[0] - minimum)
    assert left < within * np.linalg.norm(minimum), f"{left} away from the minimum"


@contract()
def reaches_the_minimum_of_a_quadratic(subject: Subject) -> None:
    """Of condition 100."""
    assert_reaches(subject, quadratic, QUADRATIC_MINIMUM, 1000, 0.01, learning_rate=subject.spec.rate_of_quadratic)


@contract()
def reaches_the_minimum_of_rosenbrock(subject: Subject) -> None:
    """Along the curved valley."""
    assert_reaches(subject, rosenbrock, np.ones(2), 4000, 0.07, **subject.spec.on_rosenbrock)
