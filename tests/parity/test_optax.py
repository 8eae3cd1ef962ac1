"""optax takes the same 100 steps, in float64, with every constant pinned."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from keras_neural_opt import optimizers, transforms
from tests.contracts.problem import assert_follows, gradients, make_variables, start_values
from tests.contracts.running import run_on
from tests.parity.precision import PRECISIONS

optax = pytest.importorskip("optax", reason="optax is not installed")
jax = pytest.importorskip("jax", reason="jax is not installed")

STEPS = 100
# optax adds Adam's epsilon to the corrected root, Keras to the uncorrected one. Far below the gradients neither place
# matters; above the smallest float32, both keep it.
# Its AMSGrad takes the maximum of corrected moments, which is another method.
TINY = 1e-20

PAIRS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "sgd": (lambda: optimizers.SGD(2**-6), lambda: optax.sgd(2**-6, momentum=None, nesterov=False)),
    "sgd momentum": (
        lambda: optimizers.SGD(2**-6, momentum=0.9),
        lambda: optax.sgd(2**-6, momentum=0.9, nesterov=False),
    ),
    "sgd nesterov": (
        lambda: optimizers.SGD(2**-6, momentum=0.9, nesterov=True),
        lambda: optax.sgd(2**-6, momentum=0.9, nesterov=True),
    ),
    "adam": (
        lambda: optimizers.Adam(2**-7, beta_1=0.9, beta_2=0.99, epsilon=TINY),
        lambda: optax.adam(2**-7, b1=0.9, b2=0.99, eps=TINY, eps_root=0.0),
    ),
    "adamw": (
        lambda: optimizers.AdamW(2**-7, weight_decay=0.1, beta_1=0.9, beta_2=0.99, epsilon=TINY),
        lambda: optax.adamw(2**-7, b1=0.9, b2=0.99, eps=TINY, eps_root=0.0, weight_decay=0.1),
    ),
    "rmsprop": (
        lambda: optimizers.RMSprop(2**-7, rho=0.9, momentum=0.0, epsilon=1e-3, centered=False),
        lambda: optax.rmsprop(2**-7, decay=0.9, eps=1e-3, initial_scale=0.0, eps_in_sqrt=True, momentum=None),
    ),
    "rmsprop momentum centered": (
        lambda: optimizers.RMSprop(2**-7, rho=0.9, momentum=0.5, epsilon=1e-3, centered=True),
        lambda: optax.rmsprop(
            2**-7, decay=0.9, eps=1e-3, initial_scale=0.0, eps_in_sqrt=True, centered=True, momentum=0.5
        ),
    ),
    "adagrad": (
        lambda: optimizers.Adagrad(2**-3, initial_accumulator_value=0.1, epsilon=1e-3),
        lambda: optax.adagrad(2**-3, initial_accumulator_value=0.1, eps=1e-3),
    ),
    "adadelta": (
        lambda: optimizers.Adadelta(1.0, rho=0.9, epsilon=1e-3),
        lambda: optax.adadelta(1.0, rho=0.9, eps=1e-3, weight_decay=0.0),
    ),
    "radam": (
        lambda: optimizers.RAdam(2**-7, beta_1=0.9, beta_2=0.999, epsilon=TINY),
        lambda: optax.radam(2**-7, b1=0.9, b2=0.999, eps=TINY, eps_root=0.0, threshold=5.0),
    ),
    "lars": (
        lambda: optimizers.LARS(1.0, momentum=0.9, trust_coefficient=0.01, epsilon=1e-3, trust_ratio_mask=None),
        lambda: optax.lars(1.0, weight_decay=0.0, trust_coefficient=0.01, eps=1e-3, momentum=0.9, nesterov=False),
    ),
    "lars nesterov": (
        lambda: optimizers.LARS(1.0, 0.9, trust_coefficient=0.01, epsilon=0, nesterov=True, trust_ratio_mask=None),
        lambda: optax.lars(1.0, weight_decay=0.0, trust_coefficient=0.01, eps=0.0, momentum=0.9, nesterov=True),
    ),
    "lamb": (
        lambda: optimizers.LAMB(2**-7, beta_1=0.9, beta_2=0.99, epsilon=1e-3),
        lambda: optax.lamb(2**-7, b1=0.9, b2=0.99, eps=1e-3, eps_root=0.0, weight_decay=0.0),
    ),
    "lamb decayed": (
        lambda: optimizers.LAMB(2**-7, beta_1=0.9, beta_2=0.99, epsilon=1e-3, weight_decay=0.3),
        lambda: optax.lamb(2**-7, b1=0.9, b2=0.99, eps=1e-3, eps_root=0.0, weight_decay=0.3),
    ),
    "adamax": (
        lambda: optimizers.Adamax(2**-7, beta_1=0.9, beta_2=0.99, epsilon=TINY),
        lambda: optax.adamax(2**-7, b1=0.9, b2=0.99, eps=TINY),
    ),
    "adabelief": (
        lambda: optimizers.AdaBelief(2**-7, beta_1=0.9, beta_2=0.99, epsilon=1e-8),
        lambda: optax.adabelief(2**-7, b1=0.9, b2=0.99, eps=1e-8, eps_root=1e-8),
    ),
    "yogi": (
        # Without a start, which optax gives the momentum, too.
        lambda: optimizers.Yogi(2**-7, beta_1=0.9, beta_2=0.99, epsilon=1e-3, initial_accumulator_value=0.0),
        lambda: optax.chain(
            optax.scale_by_yogi(b1=0.9, b2=0.99, eps=1e-3, eps_root=0.0, initial_accumulator_value=0.0),
            optax.scale_by_learning_rate(2**-7),
        ),
    ),
    "adopt": (
        lambda: optimizers.ADOPT(2**-7, beta_1=0.9, beta_2=0.99, epsilon=1e-6),
        lambda: optax.contrib.adopt(2**-7, b1=0.9, b2=0.99, eps=1e-6, nesterov=False, use_clipping=True),
    ),
    "adopt without clipping": (
        lambda: optimizers.ADOPT(2**-7, beta_1=0.9, beta_2=0.99, epsilon=0.1, use_clipping=False),
        lambda: optax.contrib.adopt(2**-7, b1=0.9, b2=0.99, eps=0.1, nesterov=False, use_clipping=False),
    ),
    "ademamix": (
        lambda: optimizers.AdEMAMix(2**-7, beta_1=0.9, beta_2=0.99, beta_3=0.999, alpha=3.0, epsilon=1e-3),
        lambda: optax.contrib.ademamix(2**-7, b1=0.9, b2=0.99, b3=0.999, alpha=3.0, eps=1e-3, eps_root=0.0),
    ),
    "novograd": (
        lambda: optimizers.NovoGrad(2**-7, beta_1=0.9, beta_2=0.5, epsilon=1e-3, weight_decay=0.1),
        lambda: optax.novograd(2**-7, b1=0.9, b2=0.5, eps=1e-3, eps_root=0.0, weight_decay=0.1),
    ),
    "lion": (
        lambda: optimizers.Lion(2**-7, beta_1=0.9, beta_2=0.99),
        lambda: optax.lion(2**-7, b1=0.9, b2=0.99, weight_decay=0.0),
    ),
    "clip by global norm": (
        lambda: optimizers.SGD(2**-6, gradient_transforms=[transforms.ClipByGlobalNorm(3.0)]),
        lambda: optax.chain(optax.clip_by_global_norm(3.0), optax.sgd(2**-6)),
    ),
    "clip by value": (
        lambda: optimizers.SGD(2**-6, gradient_transforms=[transforms.ClipByValue(0.8)]),
        lambda: optax.chain(optax.clip(0.8), optax.sgd(2**-6)),
    ),
    "clip by block RMS": (
        lambda: optimizers.SGD(2**-6, gradient_transforms=[transforms.ClipByBlockRMS(0.8)]),
        lambda: optax.chain(optax.clip_by_block_rms(0.8), optax.sgd(2**-6)),
    ),
    "adaptive gradient clipping": (
        lambda: optimizers.SGD(2**-6, gradient_transforms=[transforms.AdaptiveGradientClipping(2.0, 0.125)]),
        lambda: optax.chain(optax.adaptive_grad_clip(2.0, 0.125), optax.sgd(2**-6)),
    ),
    "normalized gradients": (
        lambda: optimizers.SGD(2**-6, gradient_transforms=[transforms.NormalizeGradients(2.0, epsilon=2**-20)]),
        lambda: optax.chain(optax.normalize_by_update_norm(2.0, 2**-20), optax.sgd(2**-6)),
    ),
    "accumulation": (
        lambda: optimizers.Adam(2**-7, 0.9, 0.99, TINY, gradient_accumulation_steps=4),
        lambda: optax.MultiSteps(
            optax.adam(2**-7, b1=0.9, b2=0.99, eps=TINY, eps_root=0.0), every_k_schedule=4, accumulator_dtype="float64"
        ),
    ),
}


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("name", PAIRS)
def test_optax_takes_the_same_steps(name: str, dtype: str, tolerance: float):
    ours, theirs = PAIRS[name]
    start, micro_steps = start_values(), gradients(STEPS)
    with jax.enable_x64(True):
        expected = steps_of(theirs(), start, micro_steps)
    result = run_on(ours(), make_variables(start, dtype), micro_steps)
    assert_follows(result.trajectory, expected, start, tolerance)


def steps_of(transformation: Any, start: list[Any], micro_steps: list[list[Any]]) -> list[list[np.ndarray]]:
    """Return the parameters after each step of an optax transformation, in float64."""
    parameters = [jax.numpy.asarray(x, "float64") for x in start]
    state, trajectory = transformation.init(parameters), []

    @jax.jit
    def advance(parameters: Any, state: Any, step: Any) -> Any:
        updates, state = transformation.update(step, state, parameters)
        return optax.apply_updates(parameters, updates), state

    for step in micro_steps:
        parameters, state = advance(parameters, state, [jax.numpy.asarray(g, "float64") for g in step])
        trajectory.append([np.asarray(p) for p in parameters])
    assert trajectory[-1][0].dtype == np.float64
    return trajectory
