"""torch and optax follow the same curves over 10,000 steps, in float64 each."""

from collections.abc import Callable
from typing import Any

import pytest

from keras_neural_opt import schedules
from keras_neural_opt.api import create_cosine_annealing_warm_restarts_scheduler, create_one_cycle_scheduler

STEPS = 10_000
# torch steps by a recursion, whose rounding it carries along.
RELATIVE = 1e-6

TORCH: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {
    "cosine, mirrored": (
        schedules.CosineAnnealing(0.3, decay_steps=777, minimum_learning_rate=0.02, after="mirror"),
        lambda lr, o: lr.CosineAnnealingLR(o, T_max=777, eta_min=0.02),
    ),
    "restarts": (
        schedules.CosineAnnealingWarmRestarts(0.3, 70, minimum_learning_rate=0.02),
        lambda lr, o: lr.CosineAnnealingWarmRestarts(o, T_0=70, eta_min=0.02),
    ),
    "growing restarts": (
        create_cosine_annealing_warm_restarts_scheduler(T_0=70, T_mult=2, eta_min=0.02).build(0.3),
        lambda lr, o: lr.CosineAnnealingWarmRestarts(o, T_0=70, T_mult=2, eta_min=0.02),
    ),
    "polynomial": (
        schedules.PolynomialDecay(0.3, 9_000, end_learning_rate=0.0, power=2.0),
        lambda lr, o: lr.PolynomialLR(o, total_iters=9_000, power=2.0),
    ),
    "linear": (
        schedules.LinearDecay(0.3, 9_000, end_learning_rate=0.03),
        lambda lr, o: lr.LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=9_000),
    ),
    "linear warm-up": (
        schedules.Warmup(0.3, 500, initial_factor=0.25),
        lambda lr, o: lr.LinearLR(o, start_factor=0.25, total_iters=500),
    ),
    "constant warm-up": (
        schedules.Warmup(0.3, 500, kind="constant", initial_factor=0.25),
        lambda lr, o: lr.ConstantLR(o, factor=0.25, total_iters=500),
    ),
    "exponential": (schedules.ExponentialDecay(0.3, 1, 0.999), lambda lr, o: lr.ExponentialLR(o, gamma=0.999)),
    "steps": (schedules.StepDecay(0.3, 700, 0.5), lambda lr, o: lr.StepLR(o, step_size=700, gamma=0.5)),
    "milestones": (
        schedules.MultiStepDecay(0.3, [80, 4_000, 4_001], 0.5),
        lambda lr, o: lr.MultiStepLR(o, milestones=[80, 4_000, 4_001], gamma=0.5),
    ),
    **{
        f"cyclical, {mode}": (
            schedules.Cyclical(0.1, 0.3, 300, 450, mode=mode, gamma=0.9995),
            lambda lr, o, mode=mode: lr.CyclicLR(
                o, 0.1, 0.3, step_size_up=300, step_size_down=450, mode=mode, gamma=0.9995, cycle_momentum=False
            ),
        )
        for mode in ("triangular", "triangular2", "exp_range")
    },
    "cyclical, own": (
        schedules.Cyclical(0.1, 0.3, 300, scale_function=lambda cycle: 1 / cycle),
        lambda lr, o: lr.CyclicLR(o, 0.1, 0.3, 300, scale_fn=lambda cycle: 1 / cycle, cycle_momentum=False),
    ),
    "one cycle": (
        create_one_cycle_scheduler(total_steps=STEPS).build(0.3),
        lambda lr, o: lr.OneCycleLR(o, 0.3, STEPS),
    ),
    "one cycle of three lines": (
        schedules.OneCycle(0.3, 9_999, 0.2137, "linear", 10.0, 100.0, three_phase=True),
        lambda lr, o: lr.OneCycleLR(
            o, 0.3, 9_999, pct_start=0.2137, anneal_strategy="linear", div_factor=10, final_div_factor=100,
            three_phase=True,
        ),
    ),
    "one after the other": (
        schedules.Join([schedules.Warmup(0.3, 100, "linear", 0.1), schedules.ExponentialDecay(0.3, 1, 0.999)], [100]),
        lambda lr, o: lr.SequentialLR(
            o, [lr.LinearLR(o, start_factor=0.1, total_iters=100), lr.ExponentialLR(o, gamma=0.999)], milestones=[100]
        ),
    ),
    "multiplied": (
        schedules.ExponentialDecay(0.3, 1, 0.9999) * schedules.Warmup(1.0, 500, kind="constant", initial_factor=0.1),
        lambda lr, o: lr.ChainedScheduler([
            lr.ConstantLR(o, factor=0.1, total_iters=500), lr.ExponentialLR(o, gamma=0.9999),
        ]),
    ),
}  # fmt: skip
MOMENTUM = {
    "two phases": (schedules.OneCycleMomentum(STEPS), {"total_steps": STEPS}),
    "three": (
        schedules.OneCycleMomentum(STEPS, 0.8, 0.9, 0.2, "linear", three_phase=True),
        {
            "total_steps": STEPS,
            "base_momentum": 0.8,
            "max_momentum": 0.9,
            "pct_start": 0.2,
            "anneal_strategy": "linear",
            "three_phase": True,
        },
    ),
}


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step.:UserWarning")
@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")
@pytest.mark.parametrize("name", TORCH)
def test_torch_follows_the_same_rate(name: str):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    ours, make = TORCH[name]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    theirs = make(torch.optim.lr_scheduler, optimizer)
    optimizer.step()
    for step in range(STEPS):
        rate = optimizer.param_groups[0]["lr"]
        assert ours(step) == pytest.approx(rate, rel=RELATIVE, abs=1e-12), f"at step {step}"
        if step < getattr(theirs, "total_steps", STEPS) - 1:
            theirs.step()


@pytest.mark.parametrize("name", MOMENTUM)
def test_torch_follows_the_same_momentum(name: str):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    ours, options = MOMENTUM[name]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3, momentum=0.9)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, **options)
    optimizer.step()
    for step in range(STEPS - 1):
        momentum = optimizer.param_groups[0]["momentum"]
        assert ours(step) == pytest.approx(momentum, rel=RELATIVE), f"at step {step}"
        theirs.step()


OPTAX: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "constant": (schedules.Constant(0.3), lambda o: o.constant_schedule(0.3)),
    "cosine": (
        schedules.CosineAnnealing(0.3, decay_steps=7_777, minimum_learning_rate=0.03),
        lambda o: o.cosine_decay_schedule(0.3, decay_steps=7_777, alpha=0.1),
    ),
    "polynomial": (
        schedules.PolynomialDecay(0.3, 9_000, end_learning_rate=0.02, power=2.0),
        lambda o: o.polynomial_schedule(0.3, 0.02, 2.0, 9_000),
    ),
    "linear": (schedules.LinearDecay(0.3, 9_000, 0.02), lambda o: o.linear_schedule(0.3, 0.02, 9_000)),
    "exponential": (
        schedules.ExponentialDecay(0.3, 100, 0.96),
        lambda o: o.exponential_decay(0.3, transition_steps=100, decay_rate=0.96),
    ),
    "staircase": (
        schedules.ExponentialDecay(0.3, 100, 0.96, staircase=True),
        lambda o: o.exponential_decay(0.3, transition_steps=100, decay_rate=0.96, staircase=True),
    ),
    "milestones": (
        schedules.MultiStepDecay(0.3, [80, 4_000], 0.5),
        lambda o: o.piecewise_constant_schedule(0.3, {80: 0.5, 4_000: 0.5}),
    ),
    "warm-up and cosine": (
        schedules.Warmup(schedules.CosineAnnealing(0.3, 8_500, 0.01), 500, initial_factor=0.1),
        lambda o: o.warmup_cosine_decay_schedule(0.03, 0.3, 500, 9_000, end_value=0.01),
    ),
    "warm-up, stable, decay": (
        schedules.WarmupStableDecay(0.3, 500, 6_000, 2_000, 0.02),
        lambda o: o.join_schedules(
            [o.linear_schedule(0.0, 0.3, 500), o.constant_schedule(0.3), o.linear_schedule(0.3, 0.02, 2_000)],
            [500, 6_500],
        ),
    ),
}


@pytest.mark.parametrize("name", OPTAX)
def test_optax_follows_the_same_rate(name: str):
    optax = pytest.importorskip("optax", reason="optax is not installed")
    import jax
    import jax.numpy as jnp

    ours, make = OPTAX[name]
    with jax.enable_x64(True):
        rates = jax.vmap(make(optax))(jnp.arange(STEPS, dtype="float64"))
        rates = [float(rate) for rate in jnp.broadcast_to(rates, STEPS)]
    for step, rate in enumerate(rates):
        assert ours(step) == pytest.approx(rate, rel=RELATIVE, abs=1e-12), f"at step {step}"
