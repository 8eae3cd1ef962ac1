"""A scale-invariant weight under noise: how far its direction turns in a step, found by stepping."""

import numpy as np

Vector = np.ndarray


def angle(a: Vector, b: Vector) -> float:
    """Return the angle between two vectors by Kahan's formula."""
    x, y = a * np.linalg.norm(b), b * np.linalg.norm(a)
    return float(2.0 * np.arctan2(np.linalg.norm(x - y), np.linalg.norm(x + y)))


def turning(kind: str, rate: float, decay: float, momentum: float, steps: int, multiplier: float = 1.0) -> float:
    """Return the root mean square angle of the steps of the last half.

    Args:
        kind: `"sgd"` or `"adam"`, with decoupled decay, or `"sgd_l2"`.
        rate: The learning rate.
        decay: Its coefficient.
        momentum: Of SGD the momentum, of Adam the decay of the mean; the mean square is known exactly.
        steps: How many; the length must come to its balance within half of them.
        multiplier: The part of each step that is taken.
    """
    rng = np.random.default_rng(0)
    w, velocity, angles = rng.normal(size=2_000), np.zeros(2_000), []
    w *= np.sqrt(rate) / np.linalg.norm(w)  # near the balance
    for _ in range(steps):
        noise = rng.normal(size=w.size) / np.sqrt(w.size)
        # The gradient of a function of the direction alone: orthogonal to the weight, longer where that is short.
        noise -= w * (w @ noise) / (w @ w)
        g, before = noise / np.linalg.norm(w), w.copy()
        if kind == "adam":
            velocity = momentum * velocity + (1.0 - momentum) * g
            root = np.linalg.norm(noise) / np.linalg.norm(w) / np.sqrt(w.size)
            w = w - rate * decay * w - rate * velocity / root
        elif kind == "sgd_l2":
            velocity = momentum * velocity - rate * (g + decay * w)
            w = w + velocity
        else:
            w = w - rate * decay * w
            velocity = momentum * velocity - rate * g
            w = w + velocity
        w = before + multiplier * (w - before)
        angles.append(angle(before, w))
    return float(np.sqrt(np.mean(np.square(angles[steps // 2 :]))))
