"""Branches of conditionals."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras.src.backend.common.stateless_scope import get_stateless_scope


def pure(branch: Callable[[], Any], variables: Sequence[Any], values: Sequence[Any]) -> Callable[[], list[Any]]:
    """Return a function that runs `branch` and returns what each of `variables` would then be.

    It runs in a scope of its own, where assignments are only noted.

    Args:
        branch: Reads and assigns variables.
        variables: All that it may assign.
        values: What they are before it.
    """
    outer = get_stateless_scope()

    def run() -> list[Any]:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))) as scope:
            # Scopes do not look into the one around them, where all that is read but not assigned is found.
            scope.state_mapping = {**(outer.state_mapping if outer else {}), **scope.state_mapping}
            branch()
        return [scope.get_current_value(v) for v in variables]

    return run


def nothing() -> None:
    """Do nothing: the other branch of a conditional."""
