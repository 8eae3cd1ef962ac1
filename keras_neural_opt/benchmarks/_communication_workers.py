"""The processes that train together over a slow link, as whoever measures them sees them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, Any, Self

from keras_neural_opt._core.devices import environment_of
from keras_neural_opt.benchmarks._network import Network

# Each machine is a world of its own, in which no other program has taken it.
_PORT = 29500
_LAST_CHARACTERS = 1500


class Workers:
    """One process on each machine of a network; a context, at whose end they are gone.

    Args:
        network: Where they run.
        backend: What Keras runs on in them.
        model: Arguments of `network_of`, the model that they train.
        timeout: Seconds that they may take for an answer.
    """

    def __init__(self, network: Network, backend: str, model: Mapping[str, int], timeout: float = 300.0) -> None:
        self._network, self._timeout = network, timeout
        addresses = ",".join(f"{network.address(i)}:{_PORT}" for i in range(network.size))
        self._given = {"addresses": addresses, "processes": network.size, "model": dict(model)}
        self._backend = backend
        self._processes: list[subprocess.Popen[str]] = []
        self._listeners: list[threading.Thread] = []
        self._errors: list[IO[bytes]] = []
        self._answers: SimpleQueue[tuple[int, str]] = SimpleQueue()

    def __enter__(self) -> Self:
        try:
            for rank in range(self._network.size):
                self._start(rank)
            self._collect()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        self._stop()

    def ask(self, contestant: str, steps: int) -> list[dict[str, Any]]:
        """Let all of them make steps of a contestant, and return what each says of them.

        All have finished when this returns: it is the barrier, and costs no bytes on the links.

        Raises:
            RuntimeError: One failed, or they took too long.
        """
        for process in self._processes:
            with contextlib.suppress(BrokenPipeError):  # its end is noticed below
                process.stdin.write(json.dumps({"contestant": contestant, "steps": steps}) + "\n")  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
        return self._collect()

    def _start(self, rank: int) -> None:
        module = "keras_neural_opt.benchmarks._communication_worker"
        given = json.dumps({**self._given, "rank": rank})
        own = {
            **os.environ,
            **environment_of(rank, self._network.size),
            "KERAS_BACKEND": self._backend,
            "GLOO_SOCKET_IFNAME": "eth0",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        for name in ("TF_CONFIG", "http_proxy", "https_proxy", "grpc_proxy"):
            own.pop(name, None)
        self._errors.append(tempfile.TemporaryFile())  # noqa: SIM115 - open as long as the process runs
        process = subprocess.Popen(  # noqa: S603 - no argument of a user
            [*self._network.command(rank), sys.executable, "-m", module, given],
            env=own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors[-1],
            text=True,
            start_new_session=True,  # Ctrl-C is for whoever measures
        )
        self._processes.append(process)
        self._listeners.append(threading.Thread(target=self._listen, args=(rank, process), daemon=True))
        self._listeners[-1].start()

    def _listen(self, rank: int, process: subprocess.Popen[str]) -> None:
        with process.stdout as answers:  # type: ignore[union-attr]
            for line in answers:
                self._answers.put((rank, line))
        self._answers.put((rank, ""))

    def _collect(self) -> list[dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        while len(found) < len(self._processes):
            try:
                rank, line = self._answers.get(timeout=self._timeout)
            except Empty:
                missing = ", ".join(str(i) for i in range(len(self._processes)) if i not in found)
                raise RuntimeError(f"no answer of worker {missing} within {self._timeout:g} seconds") from None
            if not line:
                raise RuntimeError(f"worker {rank} is gone: {self._last_words(rank)}")
            found[rank] = json.loads(line)
        return [found[rank] for rank in range(len(self._processes))]

    def _last_words(self, rank: int) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._processes[rank].wait(5.0)
        self._errors[rank].seek(0)
        text = self._errors[rank].read().decode(errors="replace").strip()
        return f"status {self._processes[rank].poll()}\n{text[-_LAST_CHARACTERS:]}"

    def _stop(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            for process in self._processes:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            for process in self._processes:
                process.wait()
                with contextlib.suppress(OSError):
                    process.stdin.close()  # type: ignore[union-attr]
            for listener in self._listeners:
                listener.join()
            for file in self._errors:
                file.close()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
