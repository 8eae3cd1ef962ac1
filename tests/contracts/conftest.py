"""The contracts live outside of test modules; their assertions explain themselves all the same."""

from pathlib import Path

import pytest

for _file in Path(__file__).parent.glob("[a-z]*.py"):
    if _file.stem != "conftest":
        pytest.register_assert_rewrite(f"tests.contracts.{_file.stem}")
