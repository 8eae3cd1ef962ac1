"""Random numbers that depend on seed, step, worker and use alone, so that nothing must be kept or saved."""

from typing import Any

import keras
from keras import ops

from keras_neural_opt._core.backend import NAME

# Odd, so that near steps, workers and seeds have numbers far apart; as int32, in which multiplication wraps around.
_STEP, _RANK, _SEED, _USE = -1640531535, -2048144777, 668265263, 374761393


class _Fixed(keras.random.SeedGenerator):
    """A seed that is what it was given, also a tensor: Keras asks generators only for those."""

    def __init__(self, state: Any) -> None:
        self._fixed = state

    def next(self, ordered: bool = True) -> Any:
        return self._fixed


def uniform(shape: tuple[int, ...], seed: int, step: Any, rank: Any = 0, use: int = 0) -> Any:
    """Return numbers from [0, 1).

    Args:
        shape: The shape of the result.
        seed: Any integer of 31 bits.
        step: The number of the step.
        rank: That of the worker; of the same number every worker has the same.
        use: What they are for: within a step, of each use there are others.
    """
    constant = (seed * _SEED + use * _USE + 2**31) % 2**32 - 2**31
    mixed = ops.cast(step, "int32") * _STEP + ops.cast(rank, "int32") * _RANK + constant
    state = ops.stack([mixed, ops.cast(rank, "int32") * 0 + use])
    # A seed of JAX is a key.
    seeds = _Fixed(ops.cast(state, "uint32") if NAME == "jax" else state)
    return keras.random.uniform(shape, dtype="float32", seed=seeds)
