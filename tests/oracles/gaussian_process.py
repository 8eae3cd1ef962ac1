"""A Gaussian process, one pair of points at a time and with an inverse; and the expected improvement as an integral."""

import math
from itertools import pairwise

import numpy as np

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(60)


def kernel(a, b, weights, categorical, signal):
    squared = sum(w * (x - y) ** 2 for x, y, w, c in zip(a, b, weights, categorical, strict=True) if not c)
    differ = sum(w for x, y, w, c in zip(a, b, weights, categorical, strict=True) if c and x != y)
    r = math.sqrt(squared)
    matern = (1 + math.sqrt(5) * r + 5 * r * r / 3) * math.exp(-math.sqrt(5) * r)
    return signal * matern * math.exp(-differ)


def posterior(x, y, at, weights, categorical, signal, noise):
    """Return mean and variance of the function at one point, and the logarithm of how probable the values are."""
    known = np.array([[kernel(a, b, weights, categorical, signal) for b in x] for a in x]) + noise * np.eye(len(x))
    toward = np.array([kernel(at, a, weights, categorical, signal) for a in x])
    inverse = np.linalg.inv(known)
    evidence = -0.5 * (y @ inverse @ y + np.linalg.slogdet(known)[1] + len(x) * math.log(2 * math.pi))
    return toward @ inverse @ y, signal - toward @ inverse @ toward, evidence


def log_improvement(z):
    """Return log E[max(z + e, 0)], e standard normal, with what would underflow taken out of the integral."""
    peak = max(z, 0.0)
    rest = min(z, 0.0)

    def integral(a, b):
        t = 0.5 * (a + b) + 0.5 * (b - a) * POINTS
        return 0.5 * (b - a) * (WEIGHTS @ (t * np.exp(-0.5 * (t - z) ** 2 + 0.5 * rest**2)))

    width = 40.0 / max(1.0, abs(rest))
    points = [0.0, *(peak + k * width / 10 for k in range(-10, 11) if peak + k * width / 10 > 0)]
    return math.log(sum(integral(a, b) for a, b in pairwise(points))) - 0.5 * rest**2 - 0.5 * math.log(2 * math.pi)
