"""Contracts on convergence: the minima of a quadratic and of optax's own two problems, on every backend.

optax's test suite asks of each of its optimizers that 10,000 steps at one rate lead to the minima of a parabola and of
Rosenbrock's function. The starts, the minima and the tolerance are its own; half of the steps must do. Every rate is
constant but Adadelta's, of which its row says why.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tests.contracts.contract import contract
from tests.contracts.problem import OPTAX_STEPS, make_variables, read
from tests.contracts.running import Slopes, run_long
from tests.contracts.subject import Subject

Cosine = keras.optimizers.schedules.CosineDecay

CURVATURES = np.array([[1.0, 3.0, 10.0], [30.0, 60.0, 100.0]], "float32")
QUADRATIC_MINIMUM = np.array([[1.0, -1.0, 0.5], [-0.5, 0.25, 0.0]], "float32")
QUADRATIC_STEPS = 1000

PARABOLA_START = np.array([-1.0, 10.0, 1.0], "float32")
PARABOLA_MINIMUM = np.array([1.0, -1.0, 1.0], "float32")
ROSENBROCK_START = np.zeros(2, "float32")
ROSENBROCK_MINIMUM = np.ones(2, "float32")
OPTAX_TOLERANCE = 3e-2  # relative and absolute, as of numpy.testing.assert_allclose


def quadratic(x: Any) -> Any:
    """Return the gradient of half the sum of `CURVATURES * (x - QUADRATIC_MINIMUM)**2`: condition 100."""
    return (x - keras.ops.convert_to_tensor(QUADRATIC_MINIMUM)) * keras.ops.convert_to_tensor(CURVATURES)


def parabola(x: Any) -> Any:
    """Return the gradient of the sum of `(x - PARABOLA_MINIMUM)**2`."""
    return 2.0 * (x - keras.ops.convert_to_tensor(PARABOLA_MINIMUM))


def rosenbrock(x: Any) -> Any:
    """Return the gradient of `(1 - x)**2 + 100 * (y - x**2)**2`: a curved valley, with its minimum at (1, 1)."""
    slope = x[1] - x[0] ** 2
    return keras.ops.stack([-2.0 * (1.0 - x[0]) - 400.0 * x[0] * slope, 200.0 * slope])


def end_of(
    subject: Subject, slopes: Slopes, starts: list[np.ndarray], steps: int, options: Mapping[str, Any]
) -> list[np.ndarray]:
    """Return where `steps` steps down the slopes lead to, each variable down its own."""
    variables = make_variables(starts)
    run_long(subject.make(**options), variables, slopes, steps)
    return read(variables)


@contract()
def reaches_the_minimum_of_a_quadratic(subject: Subject) -> None:
    """Of condition 100, from 0 up to one percent of the way, at a rate that falls along a cosine."""
    rate = Cosine(subject.spec.rate_of_quadratic, QUADRATIC_STEPS)
    start = np.zeros_like(QUADRATIC_MINIMUM)
    (end,) = end_of(subject, [quadratic], [start], QUADRATIC_STEPS, {"learning_rate": rate})
    left = np.linalg.norm(end - QUADRATIC_MINIMUM)
    assert left < 0.01 * np.linalg.norm(QUADRATIC_MINIMUM), f"{left} away from the minimum"


@contract()
def reaches_the_minima_of_optax(subject: Subject) -> None:
    """Of the parabola and along Rosenbrock's curved valley, as two variables of one optimizer, at one rate."""
    starts, options = [PARABOLA_START, ROSENBROCK_START], subject.spec.on_optax_problems
    ends = end_of(subject, [parabola, rosenbrock], starts, OPTAX_STEPS, options)
    for end, minimum in zip(ends, [PARABOLA_MINIMUM, ROSENBROCK_MINIMUM], strict=True):
        allowed = OPTAX_TOLERANCE + OPTAX_TOLERANCE * np.abs(minimum)
        assert np.all(np.abs(end - minimum) <= allowed), f"{end} is not the minimum {minimum}"
