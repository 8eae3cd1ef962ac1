"""A function of tensors on JAX, as it runs inside of a compiled step."""

from collections.abc import Callable, Sequence
from typing import Any

import jax


def compiled(function: Callable[..., Any], inputs: Sequence[Any]) -> Callable[[], Any]:
    """Return what runs the function, compiled, and waits for its results."""
    made = jax.jit(function)
    return lambda: jax.block_until_ready(made(*inputs))
