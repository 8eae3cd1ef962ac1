"""The wrappers of optax, around its Adam, compiled, with the state donated."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from keras_neural_opt.benchmarks._wrappers import PERIOD, RATE, WINDOW

Step = Callable[[], Any]


def pairs(name: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> dict[str, tuple[Step, Step]]:
    """Return, by library, a step without and with the wrapper."""
    try:
        import optax
    except ImportError:
        return {}
    adam, plain = optax.adam(RATE), [jnp.asarray(value) for value in values]

    def step(transform: Any, start: Any = plain, averaged: bool = False) -> Step:
        return stepping(transform, start, gradients, averaged)

    if name == "Lookahead":
        both = optax.LookaheadParams.init_synced(plain)
        return {"optax": (step(adam), step(optax.lookahead(adam, PERIOD, 0.5), both))}
    if name == "ExponentialMovingAverage":
        return {"optax": (step(adam), step(adam, averaged=True))}
    if name == "GradientAccumulation":
        return {"optax": (step(adam), step(optax.MultiSteps(adam, WINDOW)))}
    if name == "LayerwiseLearningRate":
        halved = optax.masked(optax.scale(0.5), [i % 2 == 1 for i in range(len(values))])
        return {"optax": (step(adam), step(optax.chain(adam, halved)))}
    return {}


def stepping(transform: Any, start: Any, gradients: Sequence[np.ndarray], averaged: bool = False) -> Step:
    """Return a compiled step of one of optax' optimizers, with or without a moving average of the weights."""
    import optax

    def once(weights: Any, state: Any, means: Any, given: Any) -> Any:
        updates, state = transform.update(given, state, weights)
        weights = optax.apply_updates(weights, updates)
        return weights, state, optax.incremental_update(weights, means, 0.01) if averaged else means

    return _repeated(once, start, transform.init(start), start if averaged else [], gradients)


def _repeated(once: Callable[..., Any], weights: Any, state: Any, means: Any, gradients: Sequence[np.ndarray]) -> Step:
    compiled, given = jax.jit(once, donate_argnums=(0, 1, 2)), [jnp.asarray(gradient) for gradient in gradients]
    # Copies: what is donated must belong to nobody else.
    held = [jax.tree.map(jnp.array, tree) for tree in (weights, state, means)]

    def repeated() -> None:
        held[:] = compiled(*held, given)
        jax.block_until_ready(held)

    return repeated
