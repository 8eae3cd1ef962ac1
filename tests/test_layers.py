"""Who may import what: the backends have one door, and a plain import stays light. Floors: `make lint`."""

import ast
import json
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path.relative_to(ROOT) for path in (ROOT / "keras_neural_opt").rglob("*.py"))

BACKEND_DOORS = {
    # A benchmark runs the peers of its backend as their users do.
    "tensorflow": ("_core/backend*.py", "distributed/*_tf.py", "benchmarks/*_tensorflow.py"),
    "jax": ("_core/backend*.py", "distributed/*_jax*.py", "benchmarks/*_jax.py"),
    "torch": ("_core/backend*.py", "distributed/*_torch*.py", "benchmarks/*_torch.py"),
    "ray": ("distributed/_ray.py",),
}
HEAVY = {"keras_tuner", "matplotlib", "optuna", "pandas", "rich", "scipy", "sklearn"}


def imported_packages(source: str) -> set[str]:
    """Return the top-level packages that a module imports anywhere, in functions too."""
    packages = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            packages |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            packages.add(node.module.partition(".")[0])
    return packages


def may_import(file: Path, package: str) -> bool:
    """Whether `file` is one of the doors to a backend or engine; every other package is free."""
    doors = BACKEND_DOORS.get(package)
    return doors is None or any(fnmatch(file.as_posix(), f"keras_neural_opt/{door}") for door in doors)


def test_an_import_inside_a_function_is_seen():
    source = "import a.b\ndef f():\n    from torch.nn import Module\n    import jax as j"
    assert imported_packages(source) == {"a", "torch", "jax"}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_backends_are_imported_through_their_doors(file: Path):
    packages = imported_packages((ROOT / file).read_text())
    assert {package for package in packages if not may_import(file, package)} == set()


@pytest.mark.parametrize("file", [file for file in FILES if "_core" in file.parts], ids=str)
def test_the_ground_floor_needs_keras_and_numpy_only(file: Path):
    allowed = sys.stdlib_module_names | {"keras", "numpy", "keras_neural_opt"} | set(BACKEND_DOORS)
    assert imported_packages((ROOT / file).read_text()) - allowed == set()


# Keras imports some of them itself, where they are installed; forgotten here, only an import of ours brings them back.
PLAIN_IMPORT = """
import json, sys, keras
heavy = set(json.loads(sys.argv[1]))
for name in [name for name in sys.modules if name.partition(".")[0] in heavy]:
    del sys.modules[name]
import keras_neural_opt
print(json.dumps(sorted(heavy & set(sys.modules))))
"""


def test_plain_import_brings_nothing_heavy():
    command = [sys.executable, "-c", PLAIN_IMPORT, json.dumps(sorted(HEAVY))]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert json.loads(output.splitlines()[-1]) == []
