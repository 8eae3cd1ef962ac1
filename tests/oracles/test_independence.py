"""The oracles share no line with what they judge. That they are right, tests/parity shows: ours equals both."""

import ast
from pathlib import Path

import pytest

ORACLES = [path for path in sorted(Path(__file__).parent.glob("*.py")) if not path.stem.startswith("test_")]


@pytest.mark.parametrize("path", ORACLES, ids=lambda path: path.stem)
def test_an_oracle_imports_numpy_and_other_oracles_only(path: Path):
    nodes = list(ast.walk(ast.parse(path.read_text())))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    allowed = {"collections.abc", "dataclasses", "itertools", "math", "numpy", "typing", "tests.oracles"}
    assert {name for name in imported if name not in allowed and not name.startswith("tests.oracles.")} == set()
