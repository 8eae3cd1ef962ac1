"""What is public: exactly the names in `__all__`, each documented in its docstring and on a page of the docs."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import keras_neural_opt

DOCS = Path(__file__).resolve().parents[1] / "docs"
COMMAND_LINE = "keras_neural_opt.cli"  # its face is the command, not the Python name
PUBLIC_FILES = {"keras_neural_opt.api", "keras_neural_opt.optimizers.rules"}


def is_private(name: str) -> bool:
    return any(part.startswith("_") for part in name.split("."))


def public_modules(package: ModuleType = keras_neural_opt) -> Iterator[ModuleType]:
    """Yield the package and every module below it whose name has no leading underscore."""
    yield package
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if not is_private(found.name):
            module = importlib.import_module(found.name)
            if found.ispkg:
                yield from public_modules(module)
            else:
                yield module


MODULES = list(public_modules())


def public_symbols() -> dict[str, Any]:
    """Return every public class, function and value by the first name that it is found under."""
    symbols: dict[int, tuple[str, Any]] = {}
    for module in MODULES:
        if module.__name__ != COMMAND_LINE:
            for name in module.__all__:
                value = getattr(module, name)
                if not inspect.ismodule(value):
                    symbols.setdefault(id(value), (f"{module.__name__}.{name}", value))
    return dict(symbols.values())


SYMBOLS = public_symbols()


def documented_objects() -> dict[str, Any]:
    """Return what the pages document, by the dotted name in the `auto...` directive."""
    pages = "\n".join(page.read_text() for page in (DOCS / "api").glob("*.md"))
    names = re.findall(r"^\.\. auto(?:class|function|exception|data):: (\S+)$", pages, re.MULTILINE)
    assert len(names) == len(set(names)), "a name is documented twice"
    return {name: resolve(name) for name in names}


def resolve(dotted_name: str) -> Any:
    module, _, name = dotted_name.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_all_is_alphabetical_and_complete(module: ModuleType):
    assert list(module.__all__) == sorted(set(module.__all__))
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert missing == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_nothing_is_public_outside_all(module: ModuleType):
    # In a package's __init__ everything without an underscore is public; a module also sees what it imports.
    own = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not inspect.ismodule(value)
        and (hasattr(module, "__path__") or getattr(value, "__module__", None) == module.__name__)
    }
    assert own - set(module.__all__) == set()


def test_other_files_are_private():
    assert {module.__name__ for module in MODULES if not hasattr(module, "__path__")} == PUBLIC_FILES


@pytest.mark.parametrize("name", SYMBOLS)
def test_every_symbol_has_a_docstring_of_its_own(name: str):
    # Not inspect.getdoc, which would answer with the docstring of a base class.
    summary = (SYMBOLS[name].__doc__ or "").strip().partition("\n")[0]
    assert summary.endswith(".")


def test_every_symbol_is_on_a_page_and_every_page_is_of_this_version():
    documented = {id(value): name for name, value in documented_objects().items()}
    public = {id(value): name for name, value in SYMBOLS.items()}
    assert [name for key, name in public.items() if key not in documented] == []
    assert [name for key, name in documented.items() if key not in public] == []
