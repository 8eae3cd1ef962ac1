"""Searches in several processes of this machine: one that dies or hangs is replaced, and its trial run again."""

import contextlib
import multiprocessing
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

import keras
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt._core.devices import environment, environment_of
from keras_neural_opt.hpo import _lost as lost
from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._owners import pid_of
from keras_neural_opt.hpo._sent import sent
from keras_neural_opt.hpo._work import DONE, READY, globals_of_keras, work

# Seconds: between two looks at the study; that a trial may take to notice by itself that its time is over; and that
# workers have to leave.
_TICK, _NOTICE, _LEAVE = 0.5, 1.0, 5.0
# So many may die in a row before they begin: nothing will change.
_STILLBORN = 3


@dataclass
class _Worker:
    place: int
    process: Any
    pipe: Connection
    ready: bool = False
    outcome: Any = None


class Workers:
    """Runs a search in worker processes and looks after them.

    Args:
        tuner: An `OptunaTuner`.
        count: How many processes.
        arguments: Those of its search: positional ones and keywords.

    Raises:
        ValueError: Something cannot be sent to another process, or the study is in memory.
    """

    def __init__(self, tuner: Any, count: int, arguments: Any) -> None:
        self._oracle, self._study, self._count = tuner.oracle, tuner.oracle.study, count
        if isinstance(self._study._storage, InMemoryStorage):
            raise ValueError(
                "OptunaTuner.search.workers must be None where the storage is this process's memory; use a journal"
                " or a database"
            )
        self._limit = tuner.trial_timeout
        deadline = None if tuner.time_limit is None else time.time() + tuner.time_limit
        parts = {"the hypermodel": tuner.hypermodel, "the oracle": tuner.oracle, "what `search` was given": arguments}
        self._task = sent((tuner, arguments, globals_of_keras(), deadline), parts)
        self._team: list[_Worker] = []
        self._began: dict[int, float] = {}
        self._stillborn, self._done = 0, False

    def search(self) -> None:
        """Search until the workers say that it has ended.

        Raises:
            RuntimeError: Workers die before they begin.
        """
        try:
            self._team += [self._started(place) for place in range(self._count)]
            while self._team and not self._is_over():
                wait([worker.process.sentinel for worker in self._team], timeout=_TICK)
                self._tend()
        finally:
            self._dismiss()
            self._oracle.reload()

    def _started(self, place: int) -> _Worker:
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        # Not daemonic: a trial may have processes of its own, such as those that load data.
        process = spawn.Process(target=work, args=(theirs,), name=f"kno-worker-{place}")
        own = {**environment_of(place, self._count), "KERAS_BACKEND": keras.backend.backend()}
        with environment(own), _deaf_to_interrupts():
            process.start()
        theirs.close()
        threading.Thread(target=_send, args=(ours, self._task), daemon=True).start()
        return _Worker(place, process, ours)

    def _tend(self) -> None:
        for worker in self._team:
            _hear(worker)
        ended = [worker for worker in self._team if not worker.process.is_alive()]
        overdue = self._overdue()
        for trial in overdue:
            lost.fail(self._study, trial, f"the trial took longer than trial_timeout={self._limit} seconds")
        self._kill_owners([*overdue, *self._oracle.bury_the_lost()])
        for worker in ended:
            self._replace(worker)

    def _replace(self, worker: _Worker) -> None:
        _hear(worker)
        worker.pipe.close()
        self._team.remove(worker)
        if isinstance(worker.outcome, BaseException):
            raise worker.outcome
        if worker.outcome == DONE:
            self._done = True
            return
        self._stillborn = 0 if worker.ready else self._stillborn + 1
        if self._stillborn >= _STILLBORN:
            raise RuntimeError(
                f"the last {_STILLBORN} workers ended before they began, with exit code {worker.process.exitcode};"
                ' what they printed says why. A program must start its search under `if __name__ == "__main__":`,'
                " and what it searches must be importable"
            )
        self._team.append(self._started(worker.place))

    def _is_over(self) -> bool:
        """Whether a worker found that the search has ended, and none has a trial left: others may still be starting."""
        left = (TrialState.RUNNING, TrialState.WAITING)
        return self._done and not self._study.get_trials(deepcopy=False, states=left)

    def _overdue(self) -> list[FrozenTrial]:
        if self._limit is None:
            return []
        now, running = time.monotonic(), self._running()
        self._began = {t.number: self._began.get(t.number, now) for t in running}
        return [t for t in running if now - self._began[t.number] > self._limit + _NOTICE]

    def _running(self) -> list[FrozenTrial]:
        """Return the trials that run in these workers."""
        pids = {worker.process.pid for worker in self._team}
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [t for t in running if pid_of(t.user_attrs.get(records.OWNER)) in pids]

    def _kill_owners(self, trials: Iterable[FrozenTrial]) -> None:
        pids = {pid_of(t.user_attrs.get(records.OWNER)) for t in trials}
        for worker in self._team:
            if worker.process.pid in pids:
                worker.process.kill()

    def _dismiss(self) -> None:
        """End the workers and leave their trials to a later search."""
        try:
            for worker in self._team:
                worker.process.terminate()
            end = time.monotonic() + _LEAVE
            for worker in self._team:
                worker.process.join(max(end - time.monotonic(), 0))
        finally:
            for worker in self._team:
                worker.process.kill()
                worker.process.join()
        for trial in self._running():
            lost.set_aside(self._study, trial)


def _hear(worker: _Worker) -> None:
    with contextlib.suppress(EOFError, OSError):
        while worker.pipe.poll():
            said = worker.pipe.recv()
            if said == READY:
                worker.ready = True
            else:
                worker.outcome = said


def _send(pipe: Connection, task: bytes) -> None:
    # In a thread: a process that is still importing reads nothing, and the next can be started meanwhile.
    with contextlib.suppress(OSError):
        pipe.send_bytes(task)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let the processes started inside not hear Ctrl-C, which is this process's to handle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
