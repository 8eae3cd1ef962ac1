"""Contracts on weight decay: its strength, its two modes, and which variables it spares."""

import json
from typing import Any

import keras
import numpy as np

from tests.contracts.contract import contract, refusal
from tests.contracts.numerics import assert_equals_twin
from tests.contracts.problem import STEPS, assert_follows, gradients, read
from tests.contracts.running import run_on
from tests.contracts.services import schedules
from tests.contracts.subject import Subject
from tests.oracles.cosine_annealing import CosineAnnealing

DECAY = 0.4
MODES = ("decoupled", "l2", "corrected", "cautious")


@keras.saving.register_keras_serializable("tests")
def is_second_layer(variable: Any) -> bool:
    return "second" in variable.path


def model() -> keras.Model:
    """Return a model with two kernels, two biases and a norm's scale and offset, none of which is zero."""
    layers = [
        keras.layers.Dense(3, name="first"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Dense(2, name="second"),
    ]
    network = keras.Sequential([keras.Input((4,)), *layers], name="network")
    rng = np.random.default_rng(3)
    for variable in network.trainable_variables:
        variable.assign(rng.uniform(0.2, 0.4, variable.shape))
    return network


# Mask, and the ends of the paths of the variables that it leaves to be decayed.
MASKS: tuple[tuple[Any, set[str]], ...] = (
    (None, {"first/kernel", "first/bias", "norm/gamma", "norm/beta", "second/kernel", "second/bias"}),
    ("no_bias", {"first/kernel", "norm/gamma", "norm/beta", "second/kernel"}),
    ("no_norm_no_bias", {"first/kernel", "second/kernel"}),
    ("matrices_only", {"first/kernel", "second/kernel"}),
    (["kernel"], {"first/kernel", "second/kernel"}),
    (["first", "^network/second/b"], {"first/kernel", "first/bias", "second/bias"}),
    (["!bias"], {"first/kernel", "norm/gamma", "norm/beta", "second/kernel"}),
    (["kernel|gamma", "!first"], {"norm/gamma", "second/kernel"}),
    (["nothing has this name"], set()),
    (is_second_layer, {"second/kernel", "second/bias"}),
)


def assert_decays(subject: Subject, optimizer: Any, wanted: set[str], mode: str = "decoupled") -> None:
    """Assert that ten steps equal the twin that decays the variables whose paths end in `wanted`, alone."""
    variables = model().trainable_variables
    decayed = [any(v.path.endswith(end) for end in wanted) for v in variables]
    assert sum(decayed) == len(wanted)
    start, micro_steps = read(variables), gradients(shapes=[tuple(v.shape) for v in variables])
    twin = subject.twin(weight_decay=DECAY, weight_decay_mode=mode, decayed=decayed).start(start)
    result = run_on(optimizer, variables, micro_steps)
    assert_follows(result.trajectory, twin.run(micro_steps), start)


@contract()
def decays_as_much_as_its_twin(subject: Subject) -> None:
    """In each mode, by a number and along a schedule, with a schedule of the learning rate."""
    rate, twin_rate = schedules(subject)
    cosine = {"initial_learning_rate": DECAY, "decay_steps": 2 * STEPS}
    for mode in MODES:
        assert_equals_twin(subject, base={"weight_decay": DECAY, "weight_decay_mode": mode})
        assert_equals_twin(
            subject,
            base={
                "learning_rate": rate,
                "weight_decay": keras.optimizers.schedules.CosineDecay(**cosine),
                "weight_decay_mode": mode,
            },
            loop={
                "learning_rate": twin_rate,
                "weight_decay": CosineAnnealing(**cosine),
                "weight_decay_mode": mode,
            },
        )


@contract()
def decays_what_the_mask_says(subject: Subject) -> None:
    """Presets, patterns, exclusions and functions mean the same on every backend."""
    for mask, wanted in MASKS:
        optimizer = subject.make(weight_decay=DECAY, weight_decay_mask=mask)
        assert_decays(subject, optimizer, wanted)
    for mode in MODES[1:]:
        masked = subject.make(weight_decay=DECAY, weight_decay_mask="no_norm_no_bias", weight_decay_mode=mode)
        assert_decays(subject, masked, {"first/kernel", "second/kernel"}, mode)


@contract()
def keeps_the_mask_in_its_config(subject: Subject) -> None:
    """A mask survives JSON; what cannot be written is refused with the remedy."""
    for mask, wanted in MASKS:
        optimizer = subject.make(weight_decay=DECAY, weight_decay_mask=mask)
        assert_decays(subject, through_json(optimizer), wanted)
    nameless = subject.make(weight_decay=DECAY, weight_decay_mask=lambda variable: True)
    message = refusal(ValueError, nameless.get_config)
    assert "weight_decay_mask" in message
    assert "register_keras_serializable" in message


def through_json(optimizer: Any) -> Any:
    """Return a new optimizer made of the JSON of this one's configuration."""
    return keras.optimizers.deserialize(json.loads(json.dumps(keras.optimizers.serialize(optimizer))))


@contract()
def excludes_from_weight_decay_as_keras(subject: Subject) -> None:
    """Keras' method takes names and variables, is saved, adds up, and comes too late once built."""
    without_bias = {"first/kernel", "norm/gamma", "norm/beta", "second/kernel"}
    optimizer = subject.make(weight_decay=DECAY)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    assert_decays(subject, through_json(optimizer), without_bias)
    assert_decays(subject, optimizer, without_bias)
    message = refusal(ValueError, lambda: optimizer.exclude_from_weight_decay(var_names=["gamma"]))
    assert "before the optimizer is built" in message
    by_list = subject.make(weight_decay=DECAY)
    by_list.exclude_from_weight_decay(var_list=[v for v in model().trainable_variables if "norm" in v.path])
    by_list.exclude_from_weight_decay(var_names=["second"])
    assert_decays(subject, by_list, {"first/kernel", "first/bias"})
