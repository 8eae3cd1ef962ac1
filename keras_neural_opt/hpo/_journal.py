"""Where a study is kept: a journal file that survives killed processes, a database, or memory."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.storages.journal._file import BaseJournalFileLock, get_lock_file
from optuna.storages.journal._storage import JournalOperation


class FileLock(BaseJournalFileLock):
    """A lock that the operating system takes back from a process that dies.

    Optuna's own is a file that a killed process leaves behind, for which all others then wait half a minute.

    Args:
        path: The journal.
    """

    def __init__(self, path: str) -> None:
        self._path = path + ".lock"
        # Of each thread its own: one lock of the system's is one open file.
        self._held = threading.local()

    def acquire(self) -> bool:
        """Wait for the lock."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except BaseException:
            os.close(handle)
            raise
        self._held.handle = handle
        return True

    def release(self) -> None:
        """Let others have it."""
        os.close(self._held.handle)


class JournalFile(JournalFileBackend):
    """A journal whose last line is never half of one.

    What a process was writing when it was killed is cut off before the next line is written. A trial's end is forced to
    the disk, and with it all before; between them a killed process loses nothing, a power cut the running trial.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, FileLock(path))

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Return what was written after a line; where that is nothing, without opening the file."""
        if self._log_number_offset.get(log_number_from) == os.stat(self._file_path).st_size:
            return iter(())
        return super().read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append whole lines."""
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with get_lock_file(self._lock):
            cut_torn_line(self._file_path)
            with open(self._file_path, "ab") as file:
                file.write(text.encode())
                file.flush()
                if any(log["op_code"] in _LASTING for log in logs):
                    os.fsync(file.fileno())


_LASTING = (JournalOperation.CREATE_STUDY, JournalOperation.SET_TRIAL_STATE_VALUES)


def cut_torn_line(path: str) -> None:
    """Cut off what follows the last line end of a file."""
    with open(path, "rb+") as file:
        end = file.seek(0, os.SEEK_END)
        position = end
        while position:
            start = max(position - 4096, 0)
            file.seek(start)
            found = file.read(position - start).rfind(b"\n")
            if found >= 0:
                position = start + found + 1
                break
            position = start
        if position < end:
            file.truncate(position)


def open_storage(where: str | os.PathLike[str] | BaseStorage | None) -> BaseStorage:
    """Return the storage at a place.

    Args:
        where: The path of a journal file, the address of a database such as `postgresql+psycopg://...` or
            `sqlite:///...`, a storage of Optuna, or None: in memory.
    """
    if where is None:
        return InMemoryStorage()
    if isinstance(where, BaseStorage):
        return where
    text = os.fspath(where)
    if "://" in text:
        return RDBStorage(text)
    return JournalStorage(JournalFile(text))
