"""The folder of a search: what may be in it, who may delete it and who works in it."""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_neural_opt._core.files import write_atomic

JOURNAL = "study.journal"
_MARKER = ".keras_neural_opt_search"
_LOCK = ".lock"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CHIEF = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


def checked_name(owner: str, name: Any) -> str:
    """Return a name that can be a folder's, and no other folder's.

    Raises:
        ValueError: It cannot.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not name.strip("."):
        raise ValueError(
            f"{owner} must be 1 to 64 letters, digits, '.', '_' and '-', and not dots alone; received {name!r}"
        )
    return name


def refuse_chief() -> None:
    """Raise `ValueError` where KerasTuner's variables ask for its chief and workers."""
    found = next((name for name in _CHIEF if name in os.environ), None)
    if found is not None:
        raise ValueError(
            f"{found} must not be set: KerasTuner's chief and workers are not used here. Use workers=N on one machine,"
            " or a database as storage and `keras-neural-opt worker` on others"
        )


class Project:
    """The folder of one search.

    Args:
        directory: Where it lies. Made if need be.
        name: What it is called.
        overwrite: Whether one that is there is deleted first. Only what a search made is.

    Raises:
        ValueError: The name is none for a folder, or the folder holds something else.
    """

    def __init__(self, directory: str | os.PathLike[str], name: str, overwrite: bool = False) -> None:
        root = Path(directory)
        self.path = root / checked_name("OptunaTuner.project_name", name)
        if self.path.is_symlink() or (self.path.exists() and not self._is_ours()):
            raise ValueError(
                f"OptunaTuner.project_name must be that of a search or of nothing in {root}; received {name!r},"
                " which is something else, and is left alone"
            )
        if overwrite and self.path.exists():
            with self.alone():
                shutil.rmtree(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path / _MARKER, "A search of keras_neural_opt. Its records are in the journal.\n")

    def _is_ours(self) -> bool:
        return self.path.is_dir() and ((self.path / _MARKER).is_file() or not any(self.path.iterdir()))

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Keep other searches out.

        Raises:
            RuntimeError: One is at work here.
        """
        return only_one(self.path)


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep other searches out of a folder.

    Raises:
        RuntimeError: One is at work there.
    """
    with open(folder / _LOCK, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"another search is at work in {folder}. Wait for it, or join it knowingly: search(join=True)"
            ) from None
        yield
