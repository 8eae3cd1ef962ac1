"""What must hold on an accelerator, shown on a device without values: reading one there raises, as it would wait."""

import keras
import numpy as np
import pytest

import keras_neural_opt as kno

pytestmark = pytest.mark.skipif(keras.backend.backend() != "torch", reason="torch alone computes scalars on the host")


def step_without_values(optimizer, steps=2):
    """Take steps whose variables, state and gradients are on torch's meta device."""
    import torch

    variables = [keras.Variable(np.zeros(shape, "float32")) for shape in [(4, 3), (3,)]]
    optimizer.build(variables)
    counters = [optimizer._iterations, optimizer._learning_rate, *optimizer._plan.counters.values()]
    for v in [*variables, *optimizer.variables]:
        if not any(v is counter for counter in counters):
            v._value = torch.nn.Parameter(v._value.to("meta"), requires_grad=False)
    for _ in range(steps):
        optimizer.apply([torch.empty(v.shape, device="meta") for v in variables], variables)
    return optimizer


@pytest.mark.parametrize("name", kno.optimizers.available())
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"global_clipnorm": 1.0},
        {"clipnorm": 1.0},
        {"weight_decay": 0.1, "weight_decay_mask": "matrices_only"},
        {"use_ema": True, "ema_overwrite_frequency": 2},
        {"gradient_accumulation_steps": 2},
        {"loss_scale_factor": 8.0},
        {"clipvalue": 1.0},
        {"gradient_transforms": [kno.transforms.AdaptiveGradientClipping()]},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
def test_a_step_waits_for_no_value(name, options):
    schedule = kno.schedules.CosineAnnealing(0.1, 10)
    optimizer = step_without_values(kno.optimizers.get(name, learning_rate=schedule, **options))
    assert int(optimizer._iterations) == 2


def test_a_schedule_of_keras_is_computed_on_the_host():
    optimizer = kno.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10))
    optimizer.build([keras.Variable(np.zeros(3, "float32"))])
    with keras.device("meta"):
        assert optimizer._current(optimizer._learning_rate) == pytest.approx(0.1)


def test_a_constant_rate_is_read_on_the_host():
    assert int(step_without_values(kno.optimizers.Adam(0.1)).iterations) == 2


def test_judging_finiteness_must_wait():
    with pytest.raises(RuntimeError, match="meta"):
        step_without_values(kno.optimizers.Adam(0.1, nonfinite="skip"))


def test_rates_and_counters_are_made_on_the_host():
    optimizer = kno.optimizers.Adam(0.1, nonfinite="skip", gradient_accumulation_steps=2)
    with keras.device("meta"):
        later = kno.optimizers.Adam(0.1)
    optimizer.build([keras.Variable([1.0])])
    counters = optimizer._plan.counters
    assert set(counters) == {"accumulation_phase", "effective_steps", "skipped"}
    for v in (optimizer._iterations, optimizer._learning_rate, later._iterations, *counters.values()):
        assert v._value.device.type == "cpu"
