"""One compiled optimizer step on JAX, its state donated: ours, Keras' and optax'."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np


def set_threads(count: int) -> None:
    """Do nothing: XLA takes its threads from the processor affinity when it starts."""


def keras_step(optimizer: Any, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> Callable[[], None]:
    """Return one step of a Keras optimizer."""
    variables = [keras.Variable(value) for value in values]
    optimizer.build(variables)
    given = [jnp.asarray(gradient) for gradient in gradients]

    def step(trainable: list[Any], state: list[Any], given: list[Any]) -> tuple[list[Any], list[Any]]:
        return optimizer.stateless_apply(state, given, trainable)

    state = [jnp.array(v.value) for v in optimizer.variables]
    return _repeated(step, [jnp.array(v.value) for v in variables], state, given)


def peers(
    name: str, option: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]
) -> dict[str, Callable[[], None]]:
    """Return the same step of optax, where it has it."""
    with contextlib.suppress(ImportError):
        import optax

        decay = option == "decay"
        rule = getattr(optax, "adamw" if name == "Adam" and decay else name.lower(), None)
        if rule is None:
            return {}
        transform = rule(1e-3, weight_decay=0.01) if decay and name in ("Adam", "AdamW") else rule(1e-3)
        if option == "clip":
            transform = optax.chain(optax.clip_by_global_norm(1.0), transform)
        if option == "skip":
            transform = optax.apply_if_finite(transform, 10)
        given = [jnp.asarray(gradient) for gradient in gradients]

        def step(trainable: list[Any], state: Any, given: list[Any]) -> tuple[list[Any], Any]:
            updates, state = transform.update(given, state, trainable)
            return optax.apply_updates(trainable, updates), state

        trainable = [jnp.asarray(value) for value in values]
        return {"optax": _repeated(step, trainable, transform.init(trainable), given)}
    return {}


def _repeated(step: Callable[..., Any], trainable: Any, state: Any, gradients: Any) -> Callable[[], None]:
    compiled = jax.jit(step, donate_argnums=(0, 1))
    held = [trainable, state]

    def once() -> None:
        held[:] = compiled(*held, gradients)
        jax.block_until_ready(held)

    return once
