"""The gradient transforms of optax, before its Adam, compiled, with the state donated."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from keras_neural_opt.benchmarks._transforms import NORM, RATE, RMS, UNIT, VALUE
from keras_neural_opt.benchmarks._wrappers_jax import Step, stepping


def pairs(name: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> dict[str, tuple[Step, Step]]:
    """Return, by library, a step without and with the transform."""
    try:
        import optax
    except ImportError:
        return {}
    adam, weights = optax.adam(RATE), [jnp.asarray(value) for value in values]
    before: dict[str, Any] = {
        "ClipByGlobalNorm": optax.clip_by_global_norm(NORM),
        "ClipByValue": optax.clip(VALUE),
        "ClipByBlockRMS": optax.clip_by_block_rms(RMS),
        "AdaptiveGradientClipping": optax.adaptive_grad_clip(UNIT),
        "GradientCentralization": optax.centralize(),
        "NormalizeGradients": optax.normalize_by_update_norm(),
        "GradientNoise": optax.add_noise(0.01, 0.55, 0),
    }
    if name in before:
        changed = optax.chain(before[name], adam)
    elif name == "SkipNonFinite":
        changed = optax.apply_if_finite(adam, 10)
    elif name == "three that share the norm":
        changed = optax.apply_if_finite(optax.chain(optax.clip_by_global_norm(NORM), adam), 10)
    else:
        return {}
    return {"optax": (stepping(adam, weights, gradients), stepping(changed, weights, gradients))}
