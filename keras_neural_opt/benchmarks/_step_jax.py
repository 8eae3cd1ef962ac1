"""One compiled optimizer step on JAX, its state donated: ours, Keras' and optax'."""

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from keras_neural_opt.benchmarks._candidate import Candidate, Maker
from keras_neural_opt.benchmarks._options import WINDOW, calls


def without_caches() -> AbstractContextManager[None]:
    """Return a context in which a first step compiles anew, as it always does here."""
    return nullcontext()


def has_gpu() -> bool:
    """Whether JAX finds a GPU."""
    return any(device.platform == "gpu" for device in jax.devices())


def device_name(device: str) -> str:
    """Return what the device calls itself."""
    return str(jax.devices("gpu")[0].device_kind) if device == "gpu" else "cpu"


def keras_candidate(
    optimizer: Any, option: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]
) -> Candidate:
    """Return a Keras optimizer with variables and gradients."""
    variables = [keras.Variable(value) for value in values]
    optimizer.build(variables)

    def step(trainable: list[Any], state: list[Any], given: list[Any]) -> tuple[list[Any], list[Any]]:
        return optimizer.stateless_apply(state, given, trainable)

    state = [jnp.array(v.value) for v in optimizer.variables]
    return _repeated(step, [jnp.array(v.value) for v in variables], state, gradients, calls(option))


def peers(name: str, option: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> dict[str, Maker]:
    """Return the same step of optax, where it has it."""
    with contextlib.suppress(ImportError):
        import optax

        named = "adamw" if name == "Adam" and option == "decay" else name.lower()
        rule = getattr(optax, named, None) or getattr(optax.contrib, named, None)
        no_such = option in ("mixed precision", "compile") or (option == "decay" and name not in ("Adam", "AdamW"))
        if rule is None or no_such:
            return {}
        return {"optax": lambda: _optax(optax, rule, option, values, gradients)}
    return {}


def _optax(
    optax: Any, rule: Callable[..., Any], option: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]
) -> Candidate:
    transform = rule(1e-3, weight_decay=0.01) if option == "decay" else rule(1e-3)
    if option == "clip":
        transform = optax.chain(optax.clip_by_global_norm(1.0), transform)
    if option == "skip":
        transform = optax.apply_if_finite(transform, 10)
    if option == "accumulation":
        transform = optax.MultiSteps(transform, WINDOW)

    def step(trainable: list[Any], state: Any, given: list[Any]) -> tuple[list[Any], Any]:
        inner, *averages = state
        updates, inner = transform.update(given, inner, trainable)
        trainable = optax.apply_updates(trainable, updates)
        return trainable, (inner, *(optax.incremental_update(trainable, a, 0.01) for a in averages))

    trainable = [jnp.asarray(value) for value in values]
    averages = [[jnp.asarray(value) for value in values]] if option == "ema" else []
    return _repeated(step, trainable, (transform.init(trainable), *averages), gradients, calls(option))


def _repeated(
    step: Callable[..., Any], trainable: Any, state: Any, gradients: Sequence[np.ndarray], times: int
) -> Candidate:
    given = [jnp.asarray(gradient) for gradient in gradients]
    compiled = jax.jit(step, donate_argnums=(0, 1))
    held = [trainable, state]

    def repeated() -> None:
        for _ in range(times):
            held[:] = compiled(*held, given)
        jax.block_until_ready(held)

    return Candidate(repeated, lambda: sum(x.nbytes for x in jax.tree.leaves(held[1])))
