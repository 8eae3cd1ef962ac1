"""Processes that train together: their output is passed on, and when one dies the others are stopped."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import IO, Any

from keras_neural_opt.cli._rank_environment import environments

# Seconds: that they have to leave before they are killed; and that what they printed last may take to arrive.
_LEAVE, _DRAIN = 10.0, 2.0
_LAST_LINES = 5
_RUNNER = Path(__file__).with_name("_rank.py")
# Waits until whoever started it is gone, however that happened, and takes its process group along.
_GUARD = "import os, signal, sys; sys.stdin.read(); os.killpg(0, signal.SIGKILL)"


class Ranks:
    """Runs a script in several processes.

    Args:
        count: How many.
        command: The script and its arguments.
        backend: What Keras runs on in them.
    """

    def __init__(self, count: int, command: Sequence[str], backend: str) -> None:
        self._command = [sys.executable, str(_RUNNER), *command]
        self._environments = environments(count, backend)
        self._ended: SimpleQueue[tuple[int, int]] = SimpleQueue()
        self._last = [deque[str](maxlen=_LAST_LINES) for _ in range(count)]
        self._processes: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []
        self._printing = threading.Lock()

    def run(self, timeout: float | None) -> None:
        """Start them and wait until all have ended well.

        Args:
            timeout: Seconds that they may take, or `None`.

        Raises:
            RuntimeError: One failed, or they took too long. The others are stopped then.
        """
        with stopped_by_sigterm(), _guard() as group:
            try:
                for rank, environment in enumerate(self._environments):
                    self._start(rank, environment, group)
                failed = self._first_failure(None if timeout is None else time.monotonic() + timeout)
            finally:
                self._stop(group)
                self._drain()
        if failed is not None:
            last = "".join(f"\n[{failed[0]}]   {line}" for line in self._last[failed[0]])
            raise RuntimeError(f"{_how_it_ended(*failed)}; the others are stopped{last}")

    def _start(self, rank: int, environment: dict[str, str], group: int) -> None:
        process = subprocess.Popen(  # noqa: S603 - the user's script, without a shell
            self._command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=group,
        )
        self._processes.append(process)
        for stream, to, keep in ((process.stdout, sys.stdout, None), (process.stderr, sys.stderr, self._last[rank])):
            reader = threading.Thread(target=self._pass_on, args=(rank, stream, to, keep), daemon=True)
            reader.start()
            self._readers.append(reader)
        threading.Thread(target=self._await, args=(rank, process), daemon=True).start()

    def _pass_on(self, rank: int, stream: IO[str], to: IO[str], keep: deque[str] | None) -> None:
        with stream:
            for line in stream:
                text = line.rstrip("\n")
                if keep is not None and text.strip():
                    keep.append(text)
                # Whoever read this may have gone, and the rank must not wait for a pipe that nobody empties.
                with self._printing, contextlib.suppress(OSError, ValueError):
                    print(f"[{rank}] {text}", file=to, flush=True)

    def _await(self, rank: int, process: subprocess.Popen[str]) -> None:
        self._ended.put((rank, process.wait()))

    def _first_failure(self, deadline: float | None) -> tuple[int, int] | None:
        """Return rank and status of the first that fails, or `None` when all have ended well."""
        for _ in self._processes:
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            try:
                rank, status = self._ended.get(timeout=left)
            except Empty:
                running = ", ".join(str(r) for r, process in enumerate(self._processes) if process.poll() is None)
                raise RuntimeError(f"--timeout is over, and ranks still ran: {running}; they are stopped") from None
            if status != 0:
                return rank, status
        return None

    def _stop(self, group: int) -> None:
        """Ask them to leave, wait a little, and kill what is left, with what they have started."""
        with contextlib.suppress(ProcessLookupError):
            try:
                os.killpg(group, signal.SIGTERM)
                end = time.monotonic() + _LEAVE
                for process in self._processes:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(max(end - time.monotonic(), 0))
            finally:
                os.killpg(group, signal.SIGKILL)

    def _drain(self) -> None:
        """Let what the ranks have printed arrive."""
        end = time.monotonic() + _DRAIN
        for reader in self._readers:
            reader.join(max(end - time.monotonic(), 0))


def _how_it_ended(rank: int, status: int) -> str:
    if status >= 0:
        return f"rank {rank} ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"rank {rank} was killed by {signal.Signals(-status).name}"
    return f"rank {rank} was killed by signal {-status}"


@contextlib.contextmanager
def _guard() -> Iterator[int]:
    """Start what kills the processes when this one dies, and yield the process group that they are to be in.

    The guard leads the group: before somebody waits for the guard, no other group has its number, and no signal goes
    astray.
    """
    # It must outlive those signals, which also reach it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        guard = subprocess.Popen(  # noqa: S603 - no argument of a user
            [sys.executable, "-I", "-S", "-c", _GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            process_group=0,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield guard.pid
    finally:
        # At the end of its input it takes along whatever a rank has left behind.
        guard.communicate()


@contextlib.contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process as `sys.exit` does, with the status that shells know."""

    def leave(signum: int, frame: FrameType | None) -> None:
        sys.exit(128 + signum)

    before: Any = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
