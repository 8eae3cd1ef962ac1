"""torch.optim takes the same 100 steps, in float64, with every constant pinned."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from keras_neural_opt import optimizers
from tests.contracts.problem import Arrays, assert_follows, gradients, make_variables, read, start_values
from tests.contracts.running import run_on
from tests.parity.precision import PRECISIONS

torch = pytest.importorskip("torch", reason="torch is not installed")

STEPS = 100
# torch adds epsilon to the corrected root (Adam) or outside of it (RMSprop, Adagrad), Keras to the uncorrected one
# and inside. Far below the gradients neither place matters; above the smallest float32, both keep it.
TINY = 1e-20

# Ours, and torch's with the same constants.
PAIRS: dict[str, tuple[Callable[[], Any], Callable[[list[Any]], Any]]] = {
    "sgd": (
        lambda: optimizers.SGD(2**-6),
        lambda p: torch.optim.SGD(p, lr=2**-6, momentum=0, dampening=0, weight_decay=0, nesterov=False),
    ),
    "sgd momentum": (
        lambda: optimizers.SGD(2**-6, momentum=0.9),
        lambda p: torch.optim.SGD(p, lr=2**-6, momentum=0.9, dampening=0, weight_decay=0, nesterov=False),
    ),
    "sgd nesterov": (
        lambda: optimizers.SGD(2**-6, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=2**-6, momentum=0.9, dampening=0, weight_decay=0, nesterov=True),
    ),
    "sgd l2": (
        lambda: optimizers.SGD(2**-6, momentum=0.9, weight_decay=0.1, weight_decay_mode="l2"),
        lambda p: torch.optim.SGD(p, lr=2**-6, momentum=0.9, dampening=0, weight_decay=0.1, nesterov=False),
    ),
    "adam": (
        lambda: optimizers.Adam(2**-7, beta_1=0.9, beta_2=0.99, epsilon=TINY),
        lambda p: torch.optim.Adam(p, lr=2**-7, betas=(0.9, 0.99), eps=TINY, weight_decay=0, amsgrad=False),
    ),
    "adam amsgrad": (
        lambda: optimizers.Adam(2**-7, beta_1=0.9, beta_2=0.9, epsilon=TINY, amsgrad=True),
        lambda p: torch.optim.Adam(p, lr=2**-7, betas=(0.9, 0.9), eps=TINY, weight_decay=0, amsgrad=True),
    ),
    "adam l2": (
        lambda: optimizers.Adam(2**-7, 0.9, 0.99, TINY, weight_decay=0.1, weight_decay_mode="l2"),
        lambda p: torch.optim.Adam(p, lr=2**-7, betas=(0.9, 0.99), eps=TINY, weight_decay=0.1, amsgrad=False),
    ),
    "adamw": (
        lambda: optimizers.AdamW(2**-7, weight_decay=0.1, beta_1=0.9, beta_2=0.99, epsilon=TINY),
        lambda p: torch.optim.AdamW(p, lr=2**-7, betas=(0.9, 0.99), eps=TINY, weight_decay=0.1, amsgrad=False),
    ),
    "rmsprop": (
        lambda: optimizers.RMSprop(2**-7, rho=0.9, momentum=0.0, epsilon=TINY, centered=False),
        lambda p: torch.optim.RMSprop(p, 2**-7, alpha=0.9, eps=TINY, weight_decay=0, momentum=0, centered=False),
    ),
    "rmsprop momentum centered": (
        lambda: optimizers.RMSprop(2**-7, rho=0.9, momentum=0.5, epsilon=TINY, centered=True),
        lambda p: torch.optim.RMSprop(p, 2**-7, alpha=0.9, eps=TINY, weight_decay=0, momentum=0.5, centered=True),
    ),
    "adagrad": (
        lambda: optimizers.Adagrad(2**-3, initial_accumulator_value=0.1, epsilon=TINY),
        lambda p: torch.optim.Adagrad(p, 2**-3, lr_decay=0, weight_decay=0, initial_accumulator_value=0.1, eps=TINY),
    ),
    "adadelta": (
        lambda: optimizers.Adadelta(1.0, rho=0.9, epsilon=1e-3),
        lambda p: torch.optim.Adadelta(p, lr=1.0, rho=0.9, eps=1e-3, weight_decay=0),
    ),
    "radam": (
        lambda: optimizers.RAdam(2**-7, beta_1=0.9, beta_2=0.999, epsilon=1e-3),
        lambda p: torch.optim.RAdam(p, 2**-7, (0.9, 0.999), 1e-3, weight_decay=0, decoupled_weight_decay=False),
    ),
    "radam decayed": (
        lambda: optimizers.RAdam(2**-7, beta_1=0.9, beta_2=0.99, epsilon=1e-3, weight_decay=0.1),
        lambda p: torch.optim.RAdam(p, 2**-7, (0.9, 0.99), 1e-3, weight_decay=0.1, decoupled_weight_decay=True),
    ),
    "nadam": (
        lambda: optimizers.Nadam(2**-7, beta_1=0.9, beta_2=0.99, epsilon=1e-3, momentum_decay=0.004),
        lambda p: torch.optim.NAdam(p, 2**-7, (0.9, 0.99), 1e-3, weight_decay=0, momentum_decay=0.004),
    ),
    "adamax": (
        lambda: optimizers.Adamax(2**-7, beta_1=0.9, beta_2=0.99, epsilon=TINY),
        lambda p: torch.optim.Adamax(p, 2**-7, (0.9, 0.99), TINY, weight_decay=0),
    ),
    "adafactor": (
        lambda: optimizers.Adafactor(2**-4, beta_2_decay=-0.8, epsilon_1=1e-30, epsilon_2=1e-3, clip_threshold=1.0),
        lambda p: torch.optim.Adafactor(p, 2**-4, beta2_decay=-0.8, eps=(1e-30, 1e-3), d=1.0, weight_decay=0.0),
    ),
}


@contextmanager
def wide_by_default() -> Iterator[None]:
    """Let torch hold numbers of its own in float64, as Nadam's product of momenta: in float32 it is off by 1e-8."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("name", PAIRS)
def test_torch_takes_the_same_steps(name: str, dtype: str, tolerance: float):
    ours, theirs = PAIRS[name]
    start, micro_steps = start_values(), gradients(STEPS)
    with wide_by_default():
        expected = steps_of(theirs, start, micro_steps)
    result = run_on(ours(), make_variables(start, dtype), micro_steps)
    assert_follows(result.trajectory, expected, start, tolerance)


def steps_of(optimizer: Callable[[list[Any]], Any], start: Arrays, micro_steps: list[Arrays]) -> list[Arrays]:
    """Return the parameters after each step of a torch optimizer, in float64."""
    parameters = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in read(start)]
    made, trajectory = optimizer(parameters), []
    for step in micro_steps:
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = torch.tensor(np.asarray(gradient, "float64"))
        made.step()
        trajectory.append([p.detach().numpy().copy() for p in parameters])
    return trajectory
