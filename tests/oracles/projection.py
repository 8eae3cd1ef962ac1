"""The projection of AdamP and SGDP (Heo et al., 2021, section 3), with channels on the last axis."""

import numpy as np

from tests.oracles.rule import Array


def project(u: Array, p: Array, g: Array, delta: float, epsilon: float) -> tuple[Array, bool]:
    """Return the step `u` of `p`, projected if `p` is found to be scale-invariant, and whether it is."""
    if p.ndim < 2:
        return u, False
    for rows in (lambda x: x.reshape(-1, x.shape[-1]).T, lambda x: x.reshape(1, -1)):
        weights, slopes = rows(p), rows(g)
        lengths = np.maximum(np.linalg.norm(weights, axis=1), epsilon)
        cosines = np.abs(np.sum(weights * slopes, axis=1)) / lengths
        cosines = cosines / np.maximum(np.linalg.norm(slopes, axis=1), epsilon)
        if cosines.max() < delta / np.sqrt(weights.shape[1]):
            unit = weights / (np.linalg.norm(weights, axis=1, keepdims=True) + epsilon)
            new = rows(u) - unit * np.sum(unit * rows(u), axis=1, keepdims=True)
            return (new.T if len(new) > 1 else new).reshape(p.shape), True
    return u, False
