"""Names for the layers of a model that no two of them share."""

from collections.abc import Iterator
from typing import Any


def layer_paths(model: Any) -> dict[str, Any]:
    """Return the layers inside of a model, also of models and layers inside of it, by path.

    A path is the names that lead to a layer: `encoder/drop`. A layer's own `path` is empty until it is built, and those
    of two models that are both called from a third can be the same.
    """
    found: dict[str, Any] = {}
    seen = set()
    for path, layer in _walk(model, ""):
        if id(layer) not in seen:
            seen.add(id(layer))
            found[_free(path, found)] = layer
    return found


def _walk(outer: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for layer in outer._flatten_layers(include_self=False, recursive=False):
        path = f"{prefix}{layer.name}"
        yield path, layer
        yield from _walk(layer, f"{path}/")


def _free(path: str, taken: dict[str, Any]) -> str:
    # Models have no two layers of a name, other layers may.
    number = 1
    while (numbered := path if number == 1 else f"{path}_{number}") in taken:
        number += 1
    return numbered
