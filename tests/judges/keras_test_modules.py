"""Keras' own optimizer tests, which ship in its wheel, loaded so that they test this library's classes.

A private copy of each module is executed while our classes stand in the place of Keras'; so names that the module
binds at import, tables of classes among them, are ours. Names that it looks up later are replaced during each test.
"""

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import keras
import pytest

from keras_neural_opt import optimizers


@keras.saving.register_keras_serializable("judges")
class Lamb(optimizers.LAMB):
    """LAMB with the weight decay and the epsilon of Keras' class."""

    def __init__(self, *args: Any, epsilon: float = 1e-7, decay_in_trust_ratio: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, epsilon=epsilon, decay_in_trust_ratio=decay_in_trust_ratio, **kwargs)


NAMES = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Nadam", "Adamax", "Lion", "Adafactor")
OURS = {**{name: getattr(optimizers, name) for name in NAMES}, "Lamb": Lamb}


@contextlib.contextmanager
def ours_in_place_of_keras() -> Iterator[None]:
    """Put our classes where Keras' modules and its `optimizers.get` find optimizers."""
    package = keras.src.optimizers
    with contextlib.ExitStack() as stack:
        for name, ours in OURS.items():
            stack.enter_context(mock.patch.object(package, name, ours, create=True))
            stack.enter_context(mock.patch.object(getattr(package, name.lower()), name, ours))
            stack.enter_context(mock.patch.dict(package.ALL_OBJECTS_DICT, {name.lower(): ours}))
        if keras.backend.backend() == "torch":
            # Its optimizers turn into Keras' torch versions when their class is the one at these names.
            base = keras.src.backend.torch.optimizers.TorchOptimizer
            stack.enter_context(mock.patch.object(base, "__new__", lambda cls, *_, **__: object.__new__(cls)))
        yield


def load(path: str) -> ModuleType:
    """Execute a copy of the module at `path` below `keras/src`."""
    name = f"judge_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, Path(keras.src.__file__).parent / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with ours_in_place_of_keras():
        spec.loader.exec_module(module)
    return module


def judge(case: type, exceptions: dict[str, str]) -> type:
    """Return a subclass of one of Keras' test cases that judges our classes.

    Args:
        case: The class.
        exceptions: Tests that must fail, with the reason; the others must pass.
    """

    class Judged(case):  # type: ignore[misc,valid-type]
        def use_ours(self) -> None:
            replacement = ours_in_place_of_keras()
            replacement.__enter__()
            self.addCleanup(replacement.__exit__, None, None, None)

        def setUp(self) -> None:
            self.use_ours()
            super().setUp()

    unknown = [name for name in exceptions if not hasattr(case, name)]
    assert not unknown, f"{case.__name__} has no {unknown}"
    for name, reason in exceptions.items():
        setattr(Judged, name, _must_fail(getattr(case, name), reason))
    Judged.__name__ = Judged.__qualname__ = case.__name__
    return Judged


def _must_fail(original: Any, reason: str) -> Any:
    @pytest.mark.xfail(reason=reason, strict=True)
    def test(self: Any) -> None:
        original(self)

    return test
