"""torch and optax follow the same cosine."""

import pytest

from keras_neural_opt.schedules import CosineAnnealing


def test_torch_mirrors_after_the_bottom():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=7, eta_min=0.02)
    ours = CosineAnnealing(0.3, decay_steps=7, minimum_learning_rate=0.02, after="mirror")
    for step in range(30):
        # torch steps by a recursion, whose rounding it carries along.
        assert ours(step) == pytest.approx(theirs.get_last_lr()[0], rel=1e-12), f"at step {step}"
        optimizer.step()
        theirs.step()


def test_optax_holds_the_bottom():
    optax = pytest.importorskip("optax", reason="optax is not installed")
    theirs = optax.cosine_decay_schedule(0.3, decay_steps=7, alpha=0.1)
    ours = CosineAnnealing(0.3, decay_steps=7, minimum_learning_rate=0.03)
    for step in range(20):
        # optax computes in float32: a few roundings of 6e-8.
        assert ours(step) == pytest.approx(float(theirs(step)), rel=3e-7), f"at step {step}"
