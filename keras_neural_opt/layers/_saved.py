"""Reads what a layer saved, and says so where a file is of another layer."""

from typing import Any


def read_saved(layer: Any, store: Any, advice: str) -> dict[str, Any]:
    """Return what a layer saved, by name.

    Args:
        layer: Any layer; what it wants is what its `save_own_variables` would save now.
        store: As Keras gives it to `load_own_variables`.
        advice: For the error: what to do with a file of the layers that users most likely come from.

    Raises:
        ValueError: Something is not there.
    """
    wanted: dict[str, Any] = {}
    layer.save_own_variables(wanted)
    found = {name: store[name] for name in store.keys()}  # noqa: SIM118 a store of HDF5 has keys, and no iterator
    if not wanted.keys() <= found.keys():
        raise ValueError(
            f"{layer.name} must find {', '.join(wanted)} in the file; received {', '.join(found) or 'nothing'}."
            f" {advice}"
        )
    return found
