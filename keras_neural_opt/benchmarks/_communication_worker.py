"""One of the processes that train together over a slow link; the benchmark starts it and tells it what to do.

It is told by lines of JSON, and answers each by one. When whoever tells it is gone, it leaves at once.
"""

import json
import os
import sys
import threading
import time
from queue import SimpleQueue
from typing import IO, Any


def main() -> None:
    """Join the cluster, then make the steps that are asked for."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    # What libraries print shall not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    commands: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_listen, args=(commands,), daemon=True).start()

    from keras_neural_opt import distributed
    from keras_neural_opt.benchmarks._communication_contestants import Contestant, contestant

    distributed.initialize(given["addresses"], given["processes"], given["rank"], timeout=120.0)
    distributed.barrier()
    _answer(answers, {})
    known: dict[str, Contestant] = {}
    while True:
        command = commands.get()
        name = command["contestant"]
        if name not in known:
            known[name] = contestant(name, given["model"])
        _answer(answers, _measured(known[name], command["steps"]))


def _measured(one: Any, steps: int) -> dict[str, Any]:
    before = one.sent()
    wall, cpu = [], []
    for _ in range(steps):
        started_cpu, started = time.process_time(), time.perf_counter()
        one.step()
        wall.append(1e3 * (time.perf_counter() - started))
        cpu.append(1e3 * (time.process_time() - started_cpu))
    return {"wall_ms": wall, "cpu_ms": cpu, "counted": one.sent() - before}


def _answer(to: IO[str], what: dict[str, Any]) -> None:
    print(json.dumps(what), file=to, flush=True)


def _listen(commands: SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        commands.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    main()
