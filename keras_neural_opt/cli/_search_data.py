"""What the commands of a search train on."""

from pathlib import Path
from typing import Any

import numpy as np

_PARTS = ("x_train", "y_train", "x_val", "y_val")


def load_data(where: str | None) -> dict[str, Any]:
    """Return what `fit` takes.

    Args:
        where: `"digits"`, the path of an `.npz` file, or None: the script has its own data.

    Raises:
        ValueError: It is neither, or the file lacks an array.
    """
    if where is None:
        return {}
    if where == "digits":
        from keras_neural_opt.cli._comparison import load_data as digits

        data = digits()
        return {"x": data.train[0], "y": data.train[1], "validation_data": data.validation}
    path = Path(where)
    if path.suffix != ".npz" or not path.is_file():
        raise ValueError(f"--data must be digits or the path of an .npz file; received {where!r}")
    with np.load(path, allow_pickle=False) as arrays:
        missing = [name for name in _PARTS if name not in arrays]
        if missing:
            raise ValueError(f"--data {where} must have the arrays {', '.join(_PARTS)}; it lacks {', '.join(missing)}")
        parts = {name: arrays[name] for name in _PARTS}
    return {"x": parts["x_train"], "y": parts["y_train"], "validation_data": (parts["x_val"], parts["y_val"])}
