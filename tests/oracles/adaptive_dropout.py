"""Concrete dropout (Gal, 2017), variational dropout (Molchanov, 2017) and standout (Ba and Frey, 2013)."""

import math

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def concrete(x: np.ndarray, rate: float, temperature: float, u: np.ndarray) -> np.ndarray:
    """The inputs after dropout, given uniform numbers that broadcast to them."""
    odds = np.log(rate) - np.log(1 - rate) + np.log(u) - np.log(1 - u)
    dropped = sigmoid(odds / temperature)
    return x * (1 - dropped) / (1 - rate)


def concrete_divergence(kernel: np.ndarray, rate: float, channels: int, length_scale: float) -> float:
    entropy = -rate * math.log(rate) - (1 - rate) * math.log(1 - rate)
    return length_scale**2 / 2 * float(np.sum(kernel**2)) / (1 - rate) - channels * entropy


def convolution(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Two dimensions, channels last, stride 1, no padding; or the matrix product of a kernel with two axes."""
    if kernel.ndim == 2:
        return x @ kernel
    height, width = kernel.shape[:2]
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    parts = [x[:, i : i + rows, j : j + columns] @ kernel[i, j] for i in range(height) for j in range(width)]
    return np.sum(parts, axis=0)


def noisy(x: np.ndarray, kernel: np.ndarray, log_variance: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Outputs before bias and activation, by local reparameterization."""
    return convolution(x, kernel) + np.sqrt(convolution(x**2, np.exp(log_variance)) + 1e-8) * noise


def log_alpha(kernel: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    return log_variance - np.log(kernel**2 + 1e-8)


def variational_divergence(log_alpha: np.ndarray) -> np.ndarray:
    """Equation 14 of the paper."""
    k1, k2, k3 = 0.63576, 1.87320, 1.48695
    return -(k1 * sigmoid(k2 + k3 * log_alpha) - 0.5 * np.log(1 + np.exp(-log_alpha)) - k1)


def exact_divergence(log_alpha: float) -> float:
    """What equation 14 approximates: it goes to 0 for large alpha, too.

    The square of 1 + sqrt(alpha) z over alpha has a noncentral chi-square distribution with one degree of freedom: a
    Poisson mixture of chi-squares, the mean of whose logarithms are digamma functions at half integers.
    """
    mean = math.exp(-log_alpha) / 2
    digamma, log_weight = -np.euler_gamma - 2 * math.log(2), -mean
    total = 0.0
    for j in range(int(mean + 20 * math.sqrt(mean) + 60)):
        total += math.exp(log_weight) * (digamma + math.log(2))
        digamma += 2 / (2 * j + 1)
        log_weight += math.log(mean) - math.log(j + 1)
    # -D = log(alpha) / 2 - E log|1 + sqrt(alpha) z| + C, and E log|z| is C.
    return total / 2 + (np.euler_gamma + math.log(2)) / 2


def kept_probability(z: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    return sigmoid(alpha * z + beta)
