"""What a script on this machine searches: it is read from the file, here and in each worker."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import keras_tuner as kt
from keras_tuner.src.engine import hypermodel as kt_hypermodel


class ScriptModel(kt.HyperModel):
    """A function of hyperparameters, or a `keras_tuner.HyperModel`, of a script.

    Args:
        where: `SCRIPT:NAME`, a path and a name in that file.

    Raises:
        ValueError: There is no such file or name.
    """

    def __init__(self, where: str) -> None:
        super().__init__()
        script, _, name = where.rpartition(":")
        path = Path(script).resolve()
        if not script or not name or not path.is_file():
            raise ValueError(
                f"SCRIPT:NAME must be a Python file and a name in it, such as model.py:build; received {where!r}"
            )
        self._where = str(path), name
        self._found = found(*self._where)

    def build(self, hp: Any) -> Any:
        """Build as the script does."""
        return self._found.build(hp)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Train as the script does."""
        return self._found.fit(hp, model, *args, **kwargs)

    def __getstate__(self) -> tuple[str, str]:
        return self._where

    def __setstate__(self, where: tuple[str, str]) -> None:
        self._where = where
        self._found = found(*where)


def found(path: str, name: str) -> Any:
    """Return what a script calls `name`, as a hypermodel.

    Raises:
        ValueError: It calls nothing so, or nothing that can be searched.
    """
    thing = getattr(_module(path), name, None)
    if isinstance(thing, type) and issubclass(thing, kt.HyperModel):
        thing = thing()
    if not callable(thing) and not isinstance(thing, kt.HyperModel):
        raise ValueError(
            f"{path} must have a function of hyperparameters or a keras_tuner.HyperModel called {name!r};"
            f" received {thing!r}"
        )
    return kt_hypermodel.get_hypermodel(thing)


def _module(path: str) -> Any:
    name = f"_kno_script_{Path(path).stem}"
    if name in sys.modules and sys.modules[name].__file__ == path:
        return sys.modules[name]
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise ValueError(f"{path} must be a Python file")
    module = importlib.util.module_from_spec(specification)
    # As when it is run: it may import what lies beside it.
    sys.path.insert(0, str(Path(path).parent))
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module
