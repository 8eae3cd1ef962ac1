"""Files that are either the old one or the new one, never half of each."""

import contextlib
import os
import tempfile
from pathlib import Path


class CorruptStateError(ValueError):
    """A file or a saved state that cannot be used.

    Args:
        path: The file, or the name of the object whose state it is.
        reason: What is wrong with it.
        remedy: What the reader can do about it.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str, remedy: str) -> None:
        super().__init__(f"{os.fspath(path)}: {reason}. {remedy}")
        self.path, self.reason, self.remedy = path, reason, remedy


def write_atomic(path: str | os.PathLike[str], data: bytes | str) -> Path:
    """Write `data` to `path` so that a crash at any moment leaves the old file or the new one.

    Args:
        path: The file to write. Its folder must exist.
        data: Bytes, or text that is encoded as UTF-8.

    Returns:
        The path written.
    """
    target = Path(path)
    content = data.encode() if isinstance(data, str) else data
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; a report must be as readable as any file its user makes.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(target.parent)
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    # The rename itself reaches the disk with the folder; Windows cannot open one and does not need it.
    with contextlib.suppress(OSError, PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
