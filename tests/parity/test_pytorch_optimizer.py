"""pytorch_optimizer takes the same 100 steps, in float64, with every constant pinned: methods that torch lacks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from keras_neural_opt import optimizers
from tests.contracts.problem import assert_follows, gradients, make_variables, read, start_values
from tests.contracts.running import run_on
from tests.parity.precision import PRECISIONS

torch = pytest.importorskip("torch", reason="torch is not installed")
peer = pytest.importorskip("pytorch_optimizer", reason="pytorch_optimizer is not installed")

STEPS = 100
# It adds AdamP's epsilon to the uncorrected root, the paper to the corrected one. So small, neither place matters.
TINY = 1e-20

# Ours, its with the same constants, and whether its channels are the first axis.
PAIRS: dict[str, tuple[Callable[[], Any], Callable[[list[Any]], Any], bool]] = {
    "adamp": (
        lambda: optimizers.AdamP(2**-7, 0.9, 0.99, epsilon=TINY, delta=1.5, wd_ratio=0.1, weight_decay=0.1),
        lambda p: peer.AdamP(
            p, lr=2**-7, betas=(0.9, 0.99), weight_decay=0.1, delta=1.5, wd_ratio=0.1, nesterov=False, eps=TINY
        ),
        True,
    ),
    "adamp nesterov": (
        lambda: optimizers.AdamP(2**-7, 0.9, 0.99, epsilon=TINY, delta=9.0, nesterov=True),
        lambda p: peer.AdamP(p, lr=2**-7, betas=(0.9, 0.99), weight_decay=0.0, delta=9.0, nesterov=True, eps=TINY),
        True,
    ),
    "sgdp": (
        lambda: optimizers.SGDP(2**-7, momentum=0.9, epsilon=1e-8, delta=1.5, wd_ratio=0.1, weight_decay=0.01),
        lambda p: peer.SGDP(
            p, lr=2**-7, momentum=0.9, dampening=0.0, weight_decay=0.01, delta=1.5, wd_ratio=0.1, eps=1e-8
        ),
        True,
    ),
    "mars": (
        lambda: optimizers.MARS(2**-7, beta_1=0.95, beta_2=0.99, gamma=0.025, epsilon=1e-8),
        lambda p: peer.MARS(
            p,
            lr=2**-7,
            betas=(0.95, 0.99),
            gamma=0.025,
            mars_type="adamw",
            optimize_1d=False,
            lr_1d=2**-7,
            betas_1d=(0.95, 0.99),
            weight_decay=0.0,
            weight_decay_1d=0.0,
            eps=1e-8,
        ),
        False,
    ),
    "mars of all": (
        lambda: optimizers.MARS(2**-7, 0.9, 0.99, gamma=0.3, epsilon=1e-8, optimize_1d=True),
        lambda p: peer.MARS(
            p, lr=2**-7, betas=(0.9, 0.99), gamma=0.3, optimize_1d=True, weight_decay=0.0, weight_decay_1d=0.0, eps=1e-8
        ),
        False,
    ),
    "adan": (
        lambda: optimizers.Adan(2**-7, beta_1=0.98, beta_2=0.92, beta_3=0.99, epsilon=1e-3),
        lambda p: peer.Adan(p, lr=2**-7, betas=(0.98, 0.92, 0.99), weight_decay=0.0, max_grad_norm=0.0, eps=1e-3),
        False,
    ),
    "came": (
        lambda: optimizers.CAME(2**-7, 0.9, 0.99, 0.999, epsilon_1=1e-30, epsilon_2=1e-16, clip_threshold=1.0),
        lambda p: peer.CAME(
            p, lr=2**-7, betas=(0.9, 0.99, 0.999), weight_decay=0.0, clip_threshold=1.0, eps1=1e-30, eps2=1e-16
        ),
        False,
    ),
}


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("name", PAIRS)
def test_pytorch_optimizer_takes_the_same_steps(name: str, dtype: str, tolerance: float):
    ours, theirs, channels_first = PAIRS[name]
    start, micro_steps = start_values(), gradients(STEPS)

    def there(x: np.ndarray) -> Any:
        x = np.moveaxis(x, -1, 0) if channels_first and x.ndim > 1 else x
        return torch.tensor(np.ascontiguousarray(x, "float64"))

    def back(x: Any) -> np.ndarray:
        x = x.detach().numpy().copy()
        return np.moveaxis(x, 0, -1) if channels_first and x.ndim > 1 else x

    parameters = [there(x).requires_grad_() for x in read(start)]
    optimizer, expected = theirs(parameters), []
    for step in micro_steps:
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = there(np.asarray(gradient))
        optimizer.step()
        expected.append([back(p) for p in parameters])
    result = run_on(ours(), make_variables(start, dtype), micro_steps)
    assert_follows(result.trajectory, expected, start, tolerance)
