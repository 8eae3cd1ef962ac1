"""The saved form of an optimizer's state: every variable by the role it plays, and a manifest that is checked."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import keras
import numpy as np

from keras_neural_opt._core.files import CorruptStateError
from keras_neural_opt._core.masks import path_of

_MANIFEST = "manifest"
_LEARNING_RATE = "learning_rate"
_UNORDERED = ("transform", "extra")
_REMEDY = "Load the state into the optimizer class, options and model that it was saved with."


class NamedState:
    """The part of an optimizer that writes its state to files and reads it back."""

    _iterations: Any
    _learning_rate: Any
    _plan: Any
    _track_variable: Callable[[Any], None]
    variables: Any

    def add_seed_generator(self, seed: int | None = None) -> keras.random.SeedGenerator:
        """Return a seed generator whose state is the optimizer's own, for transforms and rules that draw numbers.

        An untracked one is frozen where XLA compiles the step, on JAX always and on TensorFlow inside a skipped or
        accumulated step: it draws the same numbers every time. This one moves on, and is saved and restored with the
        optimizer.

        Args:
            seed: Where it starts. Defaults to a random place, which `keras.utils.set_random_seed` decides.
        """
        generator = keras.random.SeedGenerator(seed)
        self._track_variable(generator.state)
        return generator

    def state_by_role(self) -> dict[str, Any]:
        """Return every variable of the optimizer by a name that is the same in every process."""
        plan = self._plan
        state = {"iteration": self._iterations}
        if isinstance(self._learning_rate, keras.Variable):
            state["learning_rate"] = self._learning_rate
        groups = {
            "moving_average": getattr(self, "_model_variables_moving_average", ()),
            "gradient_accumulator": getattr(self, "_accumulated_gradients", ()),
            **plan.slots,
        }
        for name, variables in groups.items():
            state |= {f"{name}.{i}": v for i, v in enumerate(variables) if v is not None}
        state |= plan.counters
        state |= {f"transform.{i}": v for i, v in enumerate(plan.transform_state)}
        watch = getattr(plan, "watch", None)
        known = {id(v) for v in (*state.values(), *(watch.variables if watch else ()))}
        return state | {f"extra.{i}": v for i, v in enumerate(v for v in self.own_variables if id(v) not in known)}

    def slots_of(self, name: str) -> list[Any]:
        """Return the state called `name`, in the order of the variables; empty if there is none."""
        return list(self._plan.slots.get(name, ()))

    @property
    def own_variables(self) -> list[Any]:
        """The variables whose state is this optimizer's to save: a wrapped one saves its own."""
        return list(self.variables)

    def save_own_variables(self, store: Any) -> None:
        """Write the state by role, with a manifest of the class and the variables' paths and shapes."""
        save(self, store)

    def load_own_variables(self, store: Any) -> None:
        """Restore the state, now or when the optimizer is built.

        Raises:
            CorruptStateError: The state is another class's, or lacks or has entries, or shapes differ. Nothing was
                changed then.
        """
        load(self, store)

    def saved_value(self, role: str, variable: Any) -> np.ndarray:
        """Return what is written of a variable of the state."""
        return np.asarray(variable.numpy())

    def kept_value(self, role: str, array: np.ndarray) -> np.ndarray:
        """Return the value of the variable of which this was written."""
        return array

    def restore_when_built(self, manifest: Any, arrays: Any) -> None:
        """Keep a loaded state until the variables that it belongs to are known."""
        self._plan.pending = (manifest, arrays)


def manifest_of(optimizer: Any) -> dict[str, Any]:
    """Return what a file must agree with before its state is used."""
    variables = [[path_of(v), list(v.shape)] for v in optimizer._trainable_variables]
    return {"class": type(optimizer).__name__, "variables": variables}


def save(optimizer: Any, store: Any) -> None:
    """Write every variable of `optimizer` to `store`, a mapping of names to arrays."""
    pending = optimizer._plan.pending
    manifest = pending[0] if pending else manifest_of(optimizer)
    store[_MANIFEST] = np.frombuffer(json.dumps(manifest).encode(), "uint8")
    if pending:  # Loaded, but not built since: what was loaded is the state.
        for role, array in pending[1].items():
            store[role] = array
        return
    for role, variable in optimizer.state_by_role().items():
        store[role] = optimizer.saved_value(role, variable)


def load(optimizer: Any, store: Any) -> None:
    """Restore what `save` wrote, now or, if the optimizer has no variables to restore it to yet, when it is built."""
    arrays = {key: np.array(store[key]) for key in store.keys()}  # noqa: SIM118 - Keras' stores are not iterable
    manifest = _read_manifest(optimizer, arrays)
    if manifest["class"] != type(optimizer).__name__:
        _refuse(optimizer, f"the state was saved by {manifest['class']}")
    if not manifest["variables"] and optimizer._trainable_variables and int(optimizer._iterations.numpy()) == 0:
        # Keras builds the optimizer of a model that it loads, even if the saved one was not built: nothing is missing.
        return
    if manifest["variables"] and not optimizer.built:
        optimizer.restore_when_built(manifest, arrays)
    else:
        restore(optimizer, manifest, arrays)


def restore(optimizer: Any, manifest: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Assign saved arrays to the variables of a built optimizer; all of them are checked before the first is."""
    order = _order_of_variables(optimizer, manifest)
    if order != sorted(order) and any(role.partition(".")[0] in _UNORDERED for role in arrays):
        _refuse(optimizer, "its variables come in another order, and a transform's state does not say whose it is")
    state = optimizer.state_by_role()
    arrays = {role: optimizer.kept_value(role, array) for role, array in arrays.items()}
    # The learning rate is a setting that the program in hand decides, so a schedule may have replaced it.
    expected, given = set(state) - {_LEARNING_RATE}, set(arrays) - {_LEARNING_RATE}
    if expected != given:
        missing, extra = sorted(expected - given), sorted(given - expected)
        _refuse(optimizer, f"the state lacks {missing[:5]} and has {extra[:5]} that the optimizer does not")
    found = {role: _source(role, order) for role in state if role in arrays}
    for role, source in found.items():
        if tuple(state[role].shape) != arrays[source].shape:
            _refuse(optimizer, f"{role} has shape {tuple(state[role].shape)}, saved was {arrays[source].shape}")
    for role, source in found.items():
        state[role].assign(arrays[source])


def _read_manifest(optimizer: Any, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    try:
        manifest = json.loads(arrays.pop(_MANIFEST).tobytes().decode())
        # Reading both keys is the check: a manifest without them is no manifest of ours.
        return {"class": str(manifest["class"]), "variables": list(manifest["variables"])}
    except (KeyError, TypeError, ValueError):
        _refuse(
            optimizer,
            "the state has no readable manifest, so keras_neural_opt did not save it",
            "To load a model's weights alone, pass skip_mismatch=True to load_weights.",
        )


def _order_of_variables(optimizer: Any, manifest: Mapping[str, Any]) -> list[int]:
    """Return for each variable of the optimizer its position in the file.

    Keras numbers layers anew in every process, so other paths alone are no reason to refuse. The same paths in another
    order are, unambiguously, the same variables in another order.
    """
    now, then = manifest_of(optimizer)["variables"], manifest["variables"]
    if len(now) != len(then):
        _refuse(optimizer, f"it has {len(now)} variables, the saved one had {len(then)}")
    paths_now, paths_then = [path for path, _ in now], [path for path, _ in then]
    if sorted(paths_now) == sorted(paths_then) and len(set(paths_now)) == len(paths_now):
        order = [paths_then.index(path) for path in paths_now]
    else:
        order = list(range(len(now)))
    for (path, shape), source in zip(now, order, strict=True):
        if list(shape) != list(then[source][1]):
            _refuse(
                optimizer,
                f"variable {path} has shape {shape}, the saved {then[source][0]} has {then[source][1]}",
            )
    return order


def _source(role: str, order: list[int]) -> str:
    kind, _, index = role.rpartition(".")
    per_variable = kind and kind not in _UNORDERED
    return f"{kind}.{order[int(index)]}" if per_variable else role


def _refuse(optimizer: Any, reason: str, remedy: str = _REMEDY) -> NoReturn:
    raise CorruptStateError(f"{type(optimizer).__name__} ({optimizer.name})", reason, remedy)
