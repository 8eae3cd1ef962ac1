"""What a training gives back."""

import io
import json
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from keras_neural_opt._core.files import CorruptStateError, write_atomic
from keras_neural_opt.training._convergence import History, final_loss, has_converged
from keras_neural_opt.training._structure import pack, unpack

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMAT = "keras_neural_opt.TrainingResult"
_VERSION = 1

# What reading a file that is cut, altered or something else ends in, depending on where it is damaged.
_DAMAGE = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """The weights and the history of a training.

    `train_neural_network` returns one.

    Args:
        weights: NumPy arrays in the structure of the initial weights; for a Keras model the list that
            `model.get_weights()` returns.
        history: A list with one number an epoch for `"loss"`, the mean over the training samples as they were seen
            during the epoch, and for every other quantity that Keras logged, such as `"val_loss"`.

    Example:
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> result = kno.training.TrainingResult({"w": np.ones(2)}, {"loss": [1.0, 0.5]})
        >>> result.final_loss, result.epochs_run, result.converged
        (0.5, 2, False)
        >>> _ = result.save("result.npz")
        >>> kno.training.TrainingResult.load("result.npz").weights
        {'w': array([1., 1.])}
    """

    weights: Any
    history: History

    @property
    def final_loss(self) -> float:
        """The training loss of the last epoch."""
        return final_loss(self.history)

    @property
    def converged(self) -> bool:
        """Whether the loss stopped to fall.

        True when every loss is finite and the last epochs (5, or a tenth of all if that is more) lowered the best loss
        by less than a thousandth of the whole decrease. A loss that never fell has not converged.
        """
        return has_converged(self.history)

    @property
    def epochs_run(self) -> int:
        """The number of epochs, which early stopping may have cut short."""
        return len(self.history["loss"])

    def __repr__(self) -> str:
        return (
            f"TrainingResult(epochs_run={self.epochs_run}, final_loss={self.final_loss:.6g},"
            f" converged={self.converged})"
        )

    def plot(self) -> "Figure":
        """Return a matplotlib figure of the losses over the epochs.

        Returns:
            A figure that a notebook shows; elsewhere, use its `savefig`.
        """
        from keras_neural_opt.training._loss_figure import loss_figure

        return loss_figure(self.history)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write a report of one self-contained HTML file.

        Args:
            path: The file, in a folder that exists.

        Returns:
            The path written.
        """
        from keras_neural_opt.training._report import result_page

        return write_atomic(path, result_page(self))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write weights and history to one file (NumPy's npz, without pickled objects).

        Args:
            path: The file, in a folder that exists; `.npz` suits it, but no ending is added.

        Returns:
            The path written.
        """
        structure, arrays = unpack(self.weights)
        manifest = {"format": _FORMAT, "version": _VERSION, "structure": structure, "history": self.history}
        buffer = io.BytesIO()
        members: dict[str, Any] = {f"weight_{i}": array for i, array in enumerate(arrays)}
        np.savez(buffer, manifest=np.frombuffer(json.dumps(manifest).encode(), np.uint8), **members)
        return write_atomic(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Args:
            path: The file.

        Returns:
            A result with the same weights and history.

        Raises:
            FileNotFoundError: There is no such file.
            CorruptStateError: The file is damaged or is something else.
        """
        try:
            with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as archive:
                members = dict(archive.items())
            manifest = json.loads(members.pop("manifest").tobytes())
            if (manifest["format"], manifest["version"]) != (_FORMAT, _VERSION):
                raise ValueError(f"it is {manifest['format']} version {manifest['version']}")
            arrays = [members.pop(f"weight_{i}") for i in range(len(members))]
            return cls(pack(manifest["structure"], arrays), _checked_history(manifest["history"]))
        except _DAMAGE as error:
            raise CorruptStateError(path, f"is no intact training result ({error})", "Save the result again") from error


def _checked_history(history: Any) -> History:
    if not history.get("loss"):
        raise ValueError("its history has no losses")
    return {name: [float(value) for value in values] for name, values in history.items()}
