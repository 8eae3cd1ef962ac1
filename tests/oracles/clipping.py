"""Clipping of gradients."""

from collections.abc import Sequence

import numpy as np

from tests.oracles.rule import Array


def by_value(gradients: Sequence[Array], limit: float) -> list[Array]:
    """Move every element into `[-limit, limit]`."""
    return [np.clip(g, -limit, limit) for g in gradients]


def by_norm(gradients: Sequence[Array], limit: float) -> list[Array]:
    """Scale each gradient down to a 2-norm of at most `limit`."""
    return [g * limit / max(norm([g]), limit) for g in gradients]


def by_global_norm(gradients: Sequence[Array], limit: float) -> list[Array]:
    """Scale all gradients down by one factor, to a 2-norm together of at most `limit`."""
    factor = limit / max(norm(gradients), limit)
    return [g * factor for g in gradients]


def norm(gradients: Sequence[Array]) -> float:
    """Return the 2-norm of all elements together; float64 holds the squares of all float32 numbers."""
    return float(np.sqrt(sum(np.sum(np.square(g)) for g in gradients)))
