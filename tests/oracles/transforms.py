"""Changes of gradients other than clipping by a fixed limit."""

from collections.abc import Sequence

import numpy as np

from tests.oracles.clipping import by_global_norm, norm
from tests.oracles.rule import Array


def centralized(gradients: Sequence[Array]) -> list[Array]:
    """Take from each column of all but the last axis its mean."""
    return [g - g.mean(axis=tuple(range(g.ndim - 1)), keepdims=True) if g.ndim > 1 else g for g in gradients]


def normalized(gradients: Sequence[Array], length: float, epsilon: float) -> list[Array]:
    """Give all gradients together one 2-norm."""
    return [g * length / (norm(gradients) + epsilon) for g in gradients]


def clipped_by_block_rms(gradients: Sequence[Array], threshold: float) -> list[Array]:
    """Scale each gradient down to a root mean square of at most `threshold`."""
    return [g / max(1.0, np.sqrt(np.mean(g**2)) / threshold) if g.size else g for g in gradients]


def clipped_by_unit(
    gradients: Sequence[Array], variables: Sequence[Array], clipping: float, epsilon: float
) -> list[Array]:
    """Scale each unit's gradient down to a part of the norm of the unit's weights."""

    def unit_norms(x: Array) -> Array:
        return np.sqrt(np.sum(x**2, axis=tuple(range(x.ndim - 1)) if x.ndim > 1 else None, keepdims=True))

    clipped = []
    for g, p in zip(gradients, variables, strict=True):
        limit = clipping * np.maximum(unit_norms(p), epsilon)
        clipped.append((g * np.minimum(1.0, limit / np.maximum(unit_norms(g), 1e-300))).reshape(g.shape))
    return clipped


def unless_larger(gradients: Sequence[Array], limit: float) -> list[Array] | None:
    """Return the gradients, or None if their norm is above the limit."""
    return list(gradients) if norm(gradients) <= limit else None


class AutoClip:
    """Clip by a percentile of the last norms."""

    def __init__(self, percentile: float, window: int) -> None:
        self.percentile, self.window = percentile, window
        self.norms: list[float] = []

    def __call__(self, gradients: Sequence[Array]) -> list[Array]:
        self.norms = [*self.norms, norm(gradients)][-self.window :]
        limit = float(np.percentile(self.norms, self.percentile))
        return by_global_norm(gradients, limit) if limit else [g * float(norm(gradients) == 0.0) for g in gradients]
