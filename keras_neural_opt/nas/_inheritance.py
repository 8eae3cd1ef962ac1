"""Weights that a network takes over from a relative."""

from difflib import SequenceMatcher
from typing import Any


def inherit(child: Any, parent: Any) -> int:
    """Copy the weights of the layers that two networks have in common, in their order (Real et al., 2017).

    Layers are the same where their class and the shapes of their weights are. What is inserted, removed or changed
    keeps the weights that it began with.

    Args:
        child: A model that is built.
        parent: Another, whose weights are taken.

    Returns:
        How many layers were copied.
    """
    ours, theirs = _layers(child), _layers(parent)
    # Longest runs first, so that a block that was inserted moves the others and does not part them.
    matched = SequenceMatcher(None, [_form(x) for x in ours], [_form(x) for x in theirs], autojunk=False)
    count = 0
    for i, j, size in matched.get_matching_blocks():
        for mine, other in zip(ours[i : i + size], theirs[j : j + size], strict=True):
            mine.set_weights(other.get_weights())
        count += size
    return count


def _layers(model: Any) -> list[Any]:
    return [x for x in model._flatten_layers(include_self=False) if x.weights and not x._layers]


def _form(layer: Any) -> tuple[Any, ...]:
    return type(layer), tuple(tuple(w.shape) for w in layer.weights)
