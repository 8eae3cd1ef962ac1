"""All that a training changes, kept in memory, to go back to it."""

import copy
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.trainers.compile_utils import CompileLoss, CompileMetrics

from keras_neural_opt._core.backend import native
from keras_neural_opt._core.files import CorruptStateError
from keras_neural_opt._core.nested import chain
from keras_neural_opt.training._state_file import read_state, savable, write_state

# What a callback knows of the training that it belongs to, and not of its own.
_NOT_OF_A_CALLBACK = ("_model", "model", "params", "_params")
_SEEDS = "global_seed_generator"
_RATES = ("_learning_rate", "weight_decay", "loss_scale_factor")

# What `compile` makes and the first step builds, made anew.
_COMPILED_PARTS: dict[str, Callable[[Any], Any]] = {
    "_compile_loss": lambda x: CompileLoss(x._user_loss, x._user_loss_weights, output_names=x.output_names),
    "_compile_metrics": lambda x: CompileMetrics(
        x._user_metrics, x._user_weighted_metrics, output_names=x.output_names
    ),
}


@dataclass(frozen=True)
class TrainingState:
    """The state of a training: weights, metrics, the optimizer's variables, all random numbers, callbacks.

    What is random goes on after `restore` as it would have gone on after `capture`: dropout with and without a seed,
    the order of arrays and of PyDatasets that `fit` shuffles. The order of a `tf.data` pipeline that shuffles, or of a
    torch `DataLoader` with a generator of its own, belongs to the data.

    Args:
        model: Arrays of the model's variables and metrics, by position.
        optimizer: The optimizer's variables, each with its array, or None where it was not built or there was none.
        rates: What the optimizer, and each inside it, takes for its rates.
        constants: The learning rates that are numbers, each with its value: they are there before the state is.
        stops: Whether the model was told to stop training.
        unbuilt: What `compile` made and the first step builds, where that has not been.
        randomness: The states of the generators of random numbers.
        callbacks: The attributes of callbacks.
        owner: The optimizer.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile(kno.optimizers.SGD(0.1), "mse")
        >>> before = kno.training.TrainingState.capture(model)
        >>> history = model.fit(np.ones((4, 2)), np.zeros((4, 1)), verbose=0)
        >>> before.restore(model)
        >>> model.get_weights()[0].tolist()
        [[1.0], [1.0]]
    """

    model: list[np.ndarray]
    optimizer: list[tuple[Any, np.ndarray]] | None
    rates: list[dict[str, Any]]
    constants: list[tuple[Any, np.ndarray]]
    stops: bool
    unbuilt: list[str]
    randomness: tuple[Any, ...]
    callbacks: list[dict[str, Any]]
    owner: Any

    @classmethod
    def capture(cls, model: keras.Model, callbacks: Sequence[Any] = ()) -> "TrainingState":
        """Copy everything.

        Args:
            model: A model that is built; compiled, if it has an optimizer whose state counts.
            callbacks: Callbacks, whose attributes are copied; those that cannot be are kept as they are.

        Raises:
            ValueError: The model is not built.
        """
        if not isinstance(model, keras.Model) or not model.built:
            raise ValueError(f"TrainingState.model must be a Keras model that is built; received {model!r}")
        optimizer = getattr(model, "optimizer", None)
        return cls(
            [_value(v) for v in _variables(model)],
            [(v, _value(v)) for v in optimizer.variables] if optimizer is not None and optimizer.built else None,
            [{name: getattr(each, name, None) for name in _RATES} for each in _inside(optimizer)],
            [(v, _value(v)) for each in _inside(optimizer) if isinstance(v := each._learning_rate, keras.Variable)],
            bool(getattr(model, "stop_training", False)),
            [name for name in _COMPILED_PARTS if not getattr(getattr(model, name, None), "built", True)],
            random_state(),
            [_copied(_own(callback)) for callback in callbacks],
            optimizer,
        )

    def restore(self, model: keras.Model, callbacks: Sequence[Any] = ()) -> None:
        """Go back; may be called more than once.

        Args:
            model: The model that was captured.
            callbacks: The callbacks that were captured.

        Raises:
            ValueError: It is another model, has another optimizer or other callbacks. Nothing was changed then.
        """
        optimizer = getattr(model, "optimizer", None)
        variables = _variables(model)
        # Metrics are made by the first step.
        known, made_since = variables[: len(self.model)], variables[len(self.model) :]
        if (
            [tuple(v.shape) for v in known] != [x.shape for x in self.model]
            or optimizer is not self.owner
            or len(callbacks) != len(self.callbacks)
        ):
            raise ValueError("TrainingState.restore must get the model, optimizer and callbacks that were captured")
        replaced = [_give_back(each, rates) for each, rates in zip(_inside(optimizer), self.rates, strict=True)]
        if made_since:
            model.reset_metrics()
        for variable, value in zip(known, self.model, strict=True):
            variable.assign(value)
        for variable, value in (*self._optimizer_state(model), *self.constants):
            variable.assign(value)
        for callback, attributes in zip(callbacks, self.callbacks, strict=True):
            for name in _own(callback):
                delattr(callback, name)
            vars(callback).update(_copied(attributes))
        model.stop_training = self.stops
        for name in self.unbuilt:  # Building them draws a batch, and with it random numbers.
            setattr(model, name, _COMPILED_PARTS[name](getattr(model, name)))
        if self.unbuilt or any(replaced):
            model.train_function = model.test_function = None  # compiled with what was there
        set_random_state(self.randomness)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it to a file, for another process to go on from.

        What is left out belongs to the program: schedules and other objects that callbacks hold, and functions but
        those of `keras.ops`.

        Args:
            path: The file, in a folder that exists. It is whole or not there, and has no pickled objects.

        Returns:
            The path written.
        """
        return write_state(
            path,
            {
                "model": self.model,
                "optimizer": None if self.optimizer is None else [value for _, value in self.optimizer],
                "rates": [{name: v for name, v in rates.items() if savable(v)} for rates in self.rates],
                "constants": [value for _, value in self.constants],
                "stops": self.stops,
                "randomness": _as_plain(self.randomness),
                "callbacks": [{name: v for name, v in own.items() if savable(v)} for own in self.callbacks],
            },
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], model: keras.Model, callbacks: Sequence[Any] = ()) -> "TrainingState":
        """Read what `save` wrote, for a model and callbacks that the same program made.

        Args:
            path: The file.
            model: A model of the same form, compiled with an optimizer of the same class. Its optimizer is built, if
                the state has one that was. Let it `evaluate` a batch first: what the first call of `fit` builds draws
                random numbers, and the training would go on with others.
            callbacks: Callbacks of the same classes, in the same order.

        Returns:
            A state to `restore`. Metrics in the middle of an epoch begin anew.

        Raises:
            FileNotFoundError: There is no such file.
            CorruptStateError: The file is damaged, or belongs to another model, optimizer or other callbacks.
        """
        saved = read_state(path)
        current = cls.capture(model, callbacks)
        if saved["optimizer"] is not None and current.optimizer is None and current.owner is not None:
            current.owner.build(model.trainable_variables)
            current = cls.capture(model, callbacks)
        weights = len(model.variables)
        _check_same(path, "weights", saved["model"][:weights], current.model[:weights])
        owned = [value for _, value in current.optimizer or []]
        _check_same(path, "optimizer variables", saved["optimizer"] or [], owned if saved["optimizer"] else [])
        _check_same(path, "learning rates", saved["constants"], [value for _, value in current.constants])
        if len(saved["callbacks"]) != len(callbacks) or len(saved["rates"]) != len(current.rates):
            raise CorruptStateError(path, "has other callbacks or optimizers", "Use the program that wrote it")
        variables = [variable for variable, _ in current.optimizer or []]
        return cls(
            saved["model"][:weights],
            None if saved["optimizer"] is None else list(zip(variables, saved["optimizer"], strict=True)),
            [{**own, **rates} for own, rates in zip(current.rates, saved["rates"], strict=True)],
            [(variable, value) for (variable, _), value in zip(current.constants, saved["constants"], strict=True)],
            saved["stops"],
            current.unbuilt,
            _from_plain(saved["randomness"]),
            [{**own, **state} for own, state in zip(current.callbacks, saved["callbacks"], strict=True)],
            current.owner,
        )

    def _optimizer_state(self, model: Any) -> list[tuple[Any, np.ndarray]]:
        """Return the optimizer's variables with the values that they had."""
        if self.optimizer is not None:
            return self.optimizer
        if self.owner is None or not self.owner.built:
            return []
        # It was built since: as a new one is when it is built.
        fresh = type(self.owner).from_config(self.owner.get_config())
        fresh.build(model.trainable_variables)
        pairs = []
        for each, new in zip(chain(self.owner), chain(fresh), strict=True):
            state, start = _by_role(each), _by_role(new)
            pairs += [(variable, _value(start[role])) for role, variable in state.items()]
        return pairs


def _check_same(path: Any, what: str, saved: list[np.ndarray], here: list[np.ndarray]) -> None:
    shapes = [[(x.shape, str(x.dtype)) for x in arrays] for arrays in (saved, here)]
    if shapes[0] == shapes[1]:
        return
    differing = next((i for i, (a, b) in enumerate(zip(*shapes, strict=False)) if a != b), min(map(len, shapes)))
    there, ours = (each[differing] if differing < len(each) else "none" for each in shapes)
    raise CorruptStateError(
        path,
        f"has other {what}: number {differing} is {there} in the file and {ours} here",
        "Make the same model again",
    )


def _as_plain(randomness: tuple[Any, ...]) -> dict[str, Any]:
    python, numpy, _, value, backend = randomness
    return {"python": python, "numpy": numpy, "seeds": value, "backend": native.saved_random_state(backend)}


def _from_plain(saved: dict[str, Any]) -> tuple[Any, ...]:
    seeds = global_state.get_global_attribute(_SEEDS)
    if seeds is None and saved["seeds"] is not None:
        seeds = keras.random.SeedGenerator(seed=0, name=_SEEDS)
    return saved["python"], saved["numpy"], seeds, saved["seeds"], native.loaded_random_state(saved["backend"])


def _by_role(optimizer: Any) -> dict[Any, Any]:
    if hasattr(optimizer, "state_by_role"):
        roles: dict[Any, Any] = optimizer.state_by_role()
        return roles
    return dict(enumerate(optimizer._variables))


def _inside(optimizer: Any) -> list[Any]:
    return [] if optimizer is None else list(chain(optimizer))


def _give_back(optimizer: Any, rates: dict[str, Any]) -> bool:
    """Undo what replaced the rates of an optimizer; return whether something had."""
    replaced = {name: value for name, value in rates.items() if value is not getattr(optimizer, name, None)}
    for name, value in replaced.items():
        if name != "_learning_rate":
            setattr(optimizer, name, value)
        elif hasattr(optimizer, "follow"):
            optimizer.follow(value)
        else:
            optimizer.learning_rate = value
    return bool(replaced)


def _copied(attributes: dict[str, Any]) -> dict[str, Any]:
    copies = {}
    for name, value in attributes.items():
        try:
            copies[name] = copy.deepcopy(value)
        except (TypeError, ValueError, NotImplementedError):  # such as a lock, which is nobody's state
            copies[name] = value
    return copies


def _variables(model: Any) -> list[Any]:
    return [*model.variables, *model.metrics_variables]


def _value(variable: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable))


def _own(callback: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(callback).items() if name not in _NOT_OF_A_CALLBACK}


def random_state() -> tuple[Any, ...]:
    """Return the states of all random numbers: Python's, NumPy's, Keras' and the backend's."""
    # Not Keras' function for it: that makes one where there is none, with numbers drawn from Python's.
    seeds = global_state.get_global_attribute(_SEEDS)
    value = None if seeds is None else np.array(keras.ops.convert_to_numpy(seeds.state))
    return random.getstate(), np.random.get_state(), seeds, value, native.random_state()


def set_random_state(state: tuple[Any, ...]) -> None:
    """Go back to what `random_state` returned."""
    python, numpy, seeds, value, backend = state
    random.setstate(python)
    np.random.set_state(numpy)
    global_state.set_global_attribute(_SEEDS, seeds)
    if seeds is not None:
        seeds.state.assign(value)
    native.set_random_state(backend)
