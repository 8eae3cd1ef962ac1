"""Contracts on what is kept: the configuration, the slots, and files that training resumes from."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_neural_opt import transforms
from keras_neural_opt.optimizers import SGD, Adam
from tests.contracts.contract import contract, refusal
from tests.contracts.decay import model, through_json
from tests.contracts.problem import assert_same, gradients, read, start_values
from tests.contracts.running import run, run_on
from tests.contracts.subject import Subject

# One value, other than the default, for every argument of the base (only one kind of clipping is allowed at a time).
BASE_OPTIONS: dict[str, Any] = {
    "weight_decay": 0.03,
    "global_clipnorm": 1.5,
    "use_ema": True,
    "ema_momentum": 0.7,
    "ema_overwrite_frequency": 5,
    "loss_scale_factor": 4.0,
    "gradient_accumulation_steps": 3,
    "name": "mine",
    "gradient_transforms": [transforms.ClipByValue(0.9)],
    "weight_decay_mask": ["kernel", "!first"],
    "weight_decay_mode": "l2",
    "nonfinite": "skip",
}


def other_values(subject: Subject) -> dict[str, Any]:
    """Return for every hyperparameter of the class a valid value that is not its default."""
    defaults = subject.spec.cls().get_config()
    others = {}
    for name, kind in subject.spec.arguments.items():
        others[name] = next(value for value in kind.good if value not in (defaults.get(name), None))
    return others


@contract(every_variant=True)
def makes_itself_again_from_its_config(subject: Subject) -> None:
    """Every argument, of the class and of the base, survives `get_config` and JSON."""
    for given in (
        {},
        {"learning_rate": 0.5, **other_values(subject), **BASE_OPTIONS},
        {"clipnorm": 2.0, "learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 10)},
        {"clipvalue": 2.0, "weight_decay": keras.optimizers.schedules.CosineDecay(0.1, 10)},
    ):
        optimizer = subject.spec.cls(**{**subject.options, **given})
        config = optimizer.get_config()
        for name, value in {**subject.options, **given}.items():
            plain = isinstance(value, (bool, int, float, str)) or name == "weight_decay_mask"
            assert name in config, f"{name} is not in the configuration"
            assert not plain or config[name] == value, f"{name}={value!r} became {config[name]!r}"
        assert through_json(optimizer).get_config() == config
        assert type(optimizer).from_config(config).get_config() == config


@contract(every_variant=True)
def keeps_the_slots_of_its_twin(subject: Subject) -> None:
    """After `build` each variable has the twin's slots and no others: shapes, dtypes, first values."""
    start = start_values()
    optimizer = subject.make()
    result = run(optimizer, start, [])
    optimizer.build(result.variables)
    wanted = {
        f"{name}.{i}": value
        for i, state in enumerate(subject.twin().start(start).state)
        for name, value in state.items()
    }
    found = {role: v for role, v in optimizer.state_by_role().items() if "." in role}
    assert set(found) == set(wanted)
    for role, value in wanted.items():
        assert tuple(found[role].shape) == value.shape, f"{role} has shape {found[role].shape}"
        assert found[role].dtype == "float32"
        assert_same(read([found[role]]), [value.astype("float32")], role)


RESUMED: tuple[dict[str, Any], ...] = (
    {},
    {
        "weight_decay": 0.03,
        "weight_decay_mask": "no_bias",
        "global_clipnorm": 3.0,
        "use_ema": True,
        "ema_momentum": 0.7,
        "ema_overwrite_frequency": 2,
        "gradient_accumulation_steps": 3,
        "nonfinite": "skip",
    },
)


@contract(every_variant=True)
def resumes_exactly_from_a_file(subject: Subject) -> None:
    """Saved as `.keras` after five steps and loaded, training goes on to the bit as if nothing had been."""
    for number, options in enumerate(RESUMED):
        rate = keras.optimizers.schedules.CosineDecay(subject.spec.learning_rate, 20)
        network = model()
        network.compile(optimizer=subject.make(learning_rate=rate, **options), loss="mse")
        micro_steps = gradients(shapes=[tuple(v.shape) for v in network.trainable_variables])
        run_on(network.optimizer, network.trainable_variables, micro_steps[:5])
        with tempfile.TemporaryDirectory() as folder:
            network.save(Path(folder) / "model.keras")
            loaded = keras.models.load_model(Path(folder) / "model.keras")
        uninterrupted = run_on(network.optimizer, network.trainable_variables, micro_steps[5:])
        resumed = run_on(loaded.optimizer, loaded.trainable_variables, micro_steps[5:])
        what = f"variables of resumed training ({number})"
        assert_same(resumed.trajectory[-1], uninterrupted.trajectory[-1], what)
        assert_same(resumed.state, uninterrupted.state, f"state of resumed training ({number})")


@contract()
def resumes_through_an_unbuilt_optimizer(subject: Subject) -> None:
    """Weights and state loaded before the first step wait for it."""
    micro_steps = gradients(shapes=[tuple(v.shape) for v in model().trainable_variables])
    trained, fresh = model(), model()
    for network in (trained, fresh):
        network.compile(optimizer=subject.make(nonfinite="skip"), loss="mse")
    run_on(trained.optimizer, trained.trainable_variables, micro_steps[:5])
    with tempfile.TemporaryDirectory() as folder:
        trained.save_weights(Path(folder) / "model.weights.h5")
        fresh.load_weights(Path(folder) / "model.weights.h5")
    uninterrupted = run_on(trained.optimizer, trained.trainable_variables, micro_steps[5:])
    resumed = run_on(fresh.optimizer, fresh.trainable_variables, micro_steps[5:])
    assert_same(resumed.trajectory[-1], uninterrupted.trajectory[-1], "variables of resumed training")
    assert_same(resumed.state, uninterrupted.state, "state of resumed training")


Store = dict[str, np.ndarray]


def saved(optimizer: Any) -> Store:
    """Return what the optimizer writes to a file."""
    store: Store = {}
    optimizer.save_own_variables(store)
    return store


def _without_last(store: Store) -> Store:
    return {key: store[key] for key in list(store)[:-1]}


def _with_more(store: Store) -> Store:
    return {**store, "stranger.0": np.zeros(3, "float32")}


def _reshaped(store: Store) -> Store:
    last = list(store)[-1]
    return {**store, last: np.zeros((*store[last].shape, 2), "float32")}


def _of_keras(store: Store) -> Store:
    return {str(i): value for i, value in enumerate(store.values())}


DAMAGES: tuple[Callable[[Store], Store], ...] = (_without_last, _with_more, _reshaped, _of_keras, lambda store: {})


@contract()
def refuses_a_state_that_does_not_fit(subject: Subject) -> None:
    """State that lacks, adds or reshapes entries, or is another class's or model's, raises and changes nothing."""
    micro_steps = gradients(4)
    optimizer = subject.make(use_ema=True)
    result = run(optimizer, start_values(), micro_steps)
    stranger = (Adam if not isinstance(optimizer, Adam) else SGD)(0.1, use_ema=True)
    fewer, other = subject.make(use_ema=True), subject.make(use_ema=True)
    run(stranger, start_values(), micro_steps)
    run(fewer, start_values()[:3], [step[:3] for step in micro_steps])
    shapes = [(), (4,), (4, 5), (2, 3, 2, 2)]
    run(other, start_values(shapes), gradients(4, shapes))
    run_on(optimizer, result.variables, micro_steps)
    before = result.state
    stores = [damage(saved(optimizer)) for damage in DAMAGES]
    for store in (*stores, saved(stranger), saved(fewer), saved(other)):
        message = refusal(ValueError, lambda store=store: optimizer.load_own_variables(store))
        assert type(optimizer).__name__ in message, f"{message!r} does not name the optimizer"
        assert_same(result.state, before, "state after a refused load")
    optimizer.load_own_variables(saved(optimizer))
    assert_same(result.state, before, "state after loading its own")
