"""A Gaussian process over numbers and categories, in NumPy alone; and the expected improvement it promises."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, optimize, special

Array = np.ndarray[Any, np.dtype[np.float64]]

_JITTER = 1e-9
# Bounds of the search for the best logarithm of each hyperparameter.
_SCALE_BOUNDS = (math.log(1e-3), math.log(1e4))
_SIGNAL_BOUNDS = (math.log(1e-2), math.log(1e2))
_NOISE_BOUNDS = (math.log(1e-6), math.log(1.0))


@dataclass(frozen=True)
class Priors:
    """Mean and deviation of the logarithm of each hyperparameter, before anything was seen.

    Args:
        scale: Of the weight of a number.
        category: Of the weight of a category.
        signal: Of the variance of the function.
        noise: Of the variance around it.
        rough: Whether they leave it open how smooth the function is, so that the search begins at a smoother one, too.
    """

    scale: tuple[float, float] = (math.log(4.0), 2.0)
    category: tuple[float, float] = (0.0, 2.0)
    signal: tuple[float, float] = (0.0, 1.0)
    noise: tuple[float, float] = (math.log(1e-4), 2.0)
    rough: bool = True


PRIORS = Priors()


@dataclass(frozen=True)
class Kernel:
    r"""Matern 5/2 over the numeric columns times `exp(-sum w_i [x_i != y_i])` over the categorical ones.

    Args:
        categorical: Which columns hold codes of categories, of shape `(columns,)`.
        weights: One a column, > 0: of a number `1 / length_scale ** 2`, of a category what it costs to differ.
        signal: Variance of the function.
        noise: Variance of what is observed around it.
    """

    categorical: np.ndarray[Any, np.dtype[np.bool_]]
    weights: Array
    signal: float
    noise: float

    def __call__(self, a: Array, b: Array) -> Array:
        """Return the covariance of each row of `a` with each of `b`."""
        return self.signal * self.parts(a, b)[0]

    def parts(self, a: Array, b: Array) -> tuple[Array, Array]:
        """Return the correlation, and its derivative with respect to the squared distance of the numbers."""
        numeric, codes, roots = ~self.categorical, self.categorical, np.sqrt(self.weights)
        left, right = a[:, numeric] * roots[numeric], b[:, numeric] * roots[numeric]
        squared = (left**2).sum(1)[:, None] + (right**2).sum(1)[None] - 2.0 * left @ right.T
        differ = np.zeros_like(squared)
        for column in np.flatnonzero(codes):
            differ += self.weights[column] * (a[:, column, None] != b[None, :, column])
        return _correlation(np.maximum(squared, 0.0), differ)


def _correlation(squared: Array, differ: Array) -> tuple[Array, Array]:
    root = np.sqrt(5.0 * squared)
    decay = np.exp(-root - differ)
    return (1.0 + root + root**2 / 3.0) * decay, -5.0 / 6.0 * (1.0 + root) * decay


class GaussianProcess:
    """What is believed of a function after some of its values were seen.

    Args:
        kernel: The covariance.
        x: Where it was seen, of shape `(points, columns)`: numbers scaled to [0, 1], categories as codes.
        y: What was seen, of shape `(points,)`, of mean 0 and variance near 1.
    """

    def __init__(self, kernel: Kernel, x: Array, y: Array) -> None:
        self.kernel, self.x, self.y = kernel, x, y
        covariance = kernel(x, x)
        covariance[np.diag_indices(len(x))] += kernel.noise + _JITTER
        self._factor = linalg.cholesky(covariance, lower=True, check_finite=False)
        self._weights = linalg.cho_solve((self._factor, True), y, check_finite=False)

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of the function, without noise, at each row of `x`."""
        covariance = self.kernel(x, self.x)
        solved = linalg.solve_triangular(self._factor, covariance.T, lower=True, check_finite=False)
        variance = self.kernel.signal - np.einsum("ij,ij->j", solved, solved)
        return covariance @ self._weights, np.sqrt(np.maximum(variance, 1e-12))

    def predict_with_gradient(self, x: Array) -> tuple[float, float, Array, Array]:
        """Return mean and deviation at one point, and the gradient of each; that of a categorical column is 0."""
        correlation, slope = self.kernel.parts(x[None], self.x)
        covariance = self.kernel.signal * correlation[0]
        toward = 2.0 * np.where(self.kernel.categorical, 0.0, self.kernel.weights) * (x - self.x)
        gradients = self.kernel.signal * slope[0][:, None] * toward
        solved = linalg.cho_solve((self._factor, True), covariance, check_finite=False)
        deviation = math.sqrt(max(self.kernel.signal - float(covariance @ solved), 1e-12))
        return (
            float(covariance @ self._weights),
            deviation,
            self._weights @ gradients,
            -(solved @ gradients) / deviation,
        )

    def assuming(self, x: Array) -> "GaussianProcess":
        """Return the process that has seen its own mean at each row of `x`: it only doubts less there."""
        if not len(x):
            return self
        return GaussianProcess(self.kernel, np.vstack([self.x, x]), np.concatenate([self.y, self.predict(x)[0]]))


def fit(
    x: Array, y: Array, categorical: np.ndarray[Any, np.dtype[np.bool_]], priors: Priors = PRIORS
) -> GaussianProcess:
    """Return the process whose hyperparameters are most probable, given the data and weak log-normal priors.

    Args:
        x: Points, of shape `(points, columns)`: numbers scaled to [0, 1], categories as codes.
        y: Values, of shape `(points,)`, of mean 0 and variance near 1.
        categorical: Which columns hold categories, of shape `(columns,)`.
        priors: What is believed of the hyperparameters before.

    Returns:
        The process. The same data give the same process.
    """
    posterior = LogPosterior(x, y, categorical, priors)
    found = [
        optimize.minimize(
            posterior, start, jac=True, method="L-BFGS-B", bounds=posterior.bounds, options={"maxiter": 40}
        )
        for start in posterior.starts
    ]
    return GaussianProcess(posterior.kernel(min(found, key=lambda each: each.fun).x), x, y)


class LogPosterior:
    """The negative logarithm of how probable hyperparameters are, and its gradient.

    Args:
        x: Points, of shape `(points, columns)`.
        y: Values, of shape `(points,)`.
        categorical: Which columns hold categories.
        priors: What is believed of the hyperparameters before.
    """

    def __init__(
        self, x: Array, y: Array, categorical: np.ndarray[Any, np.dtype[np.bool_]], priors: Priors = PRIORS
    ) -> None:
        self._y, self._categorical, columns = y, categorical, x.shape[1]
        # Each pair of points once.
        self._pairs = np.tril_indices(len(x), -1)
        difference = (x[self._pairs[0]] - x[self._pairs[1]]).T
        difference[categorical] = difference[categorical] != 0.0
        # Apart once, as what follows is done many times.
        self._squared_of_numbers, self._differs = difference[~categorical] ** 2, difference[categorical]
        of_columns = [priors.category if each else priors.scale for each in categorical]
        self.prior_mean, self.prior_deviation = np.array([*of_columns, priors.signal, priors.noise]).T
        self.bounds = [_SCALE_BOUNDS] * columns + [_SIGNAL_BOUNDS, _NOISE_BOUNDS]
        smooth = self.prior_mean - np.r_[np.full(columns, 1.5), 0.0, -4.0]
        self.starts = [self.prior_mean, smooth] if priors.rough else [self.prior_mean]

    def kernel(self, logs: Array) -> Kernel:
        """Return the kernel of these logarithms: weights, signal, noise."""
        values = np.exp(logs)
        return Kernel(self._categorical, values[:-2], float(values[-2]), float(values[-1]))

    def __call__(self, logs: Array) -> tuple[float, Array]:
        """Return the value and its gradient with respect to the logarithms."""
        weights, signal, noise = np.exp(logs[:-2]), math.exp(logs[-2]), math.exp(logs[-1])
        numeric, (rows, columns) = ~self._categorical, self._pairs
        correlation, slope = _correlation(
            weights[numeric] @ self._squared_of_numbers, weights[~numeric] @ self._differs
        )
        covariance = np.diag(np.full(len(self._y), signal + noise + _JITTER))
        covariance[rows, columns] = signal * correlation
        factor = linalg.cholesky(covariance, lower=True, check_finite=False)
        solved = linalg.cho_solve((factor, True), self._y, check_finite=False)
        inverse = linalg.lapack.dpotri(factor, lower=1)[0]
        # What the value changes by with the covariance of each pair, and with that of a point with itself.
        of_pairs = inverse[rows, columns] - solved[rows] * solved[columns]
        of_points = 0.5 * (np.diag(inverse) - solved**2).sum()
        gradient = np.empty_like(logs)
        gradient[:-2][numeric] = self._squared_of_numbers @ (of_pairs * slope)
        gradient[:-2][~numeric] = -(self._differs @ (of_pairs * correlation))
        gradient[:-2] *= signal * weights
        gradient[-2] = signal * (float(of_pairs @ correlation) + of_points)
        gradient[-1] = noise * of_points
        standard = (logs - self.prior_mean) / self.prior_deviation
        value = 0.5 * float(self._y @ solved) + float(np.log(np.diag(factor)).sum()) + 0.5 * float(standard @ standard)
        return value, gradient + standard / self.prior_deviation


def log_expected_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """Return the logarithm of the expected improvement on `best`, of a minimum, finite however small it is."""
    return np.log(deviation) + log_improvement((best - mean) / deviation)


def log_improvement(z: Array) -> Array:
    r"""Return :math:`\log(\phi(z) + z \Phi(z))` without cancellation (Ament et al., 2023)."""
    z = np.asarray(z, float)
    result, near = np.empty_like(z), z > -1.0
    above, below = z[near], z[~near]
    result[near] = np.log(np.exp(-0.5 * above**2) / math.sqrt(2.0 * math.pi) + above * special.ndtr(above))
    # 1 - |z| times Mills' ratio: far out 1 / z^2, where the difference has no digits left.
    mills = math.sqrt(math.pi / 2.0) * special.erfcx(-below / math.sqrt(2.0))
    far = below < -1e4
    rest = np.where(far, -2.0 * np.log(-below), np.log1p(np.where(far, -0.5, below * mills)))
    result[~near] = -0.5 * below**2 - 0.5 * math.log(2.0 * math.pi) + rest
    return result


def log_improvement_slope(z: Array) -> Array:
    """Return the derivative of `log_improvement`."""
    z = np.asarray(z, float)
    far = z < -1e4
    # Both logarithms are near -z^2 / 2 there, and their difference has no digits left.
    return np.where(far, -z, np.exp(special.log_ndtr(z) - log_improvement(z)))
