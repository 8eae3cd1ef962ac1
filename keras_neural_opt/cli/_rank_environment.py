"""What each process of a launch finds in its environment: variables of every engine, and its part of the machine."""

import contextlib
import json
import os
import socket

from keras_neural_opt._core.devices import environment_of

_HOST = "127.0.0.1"


def environments(count: int, backend: str) -> list[dict[str, str]]:
    """Return the environment of each of `count` processes.

    Args:
        count: How many.
        backend: What Keras runs on in them.
    """
    ports = _free_ports(count)
    return [{**os.environ, **_own_devices(rank, count, backend), **_variables(rank, ports)} for rank in range(count)]


def _variables(rank: int, ports: list[int]) -> dict[str, str]:
    size, place = str(len(ports)), str(rank)
    workers = [f"{_HOST}:{port}" for port in ports]
    return {
        "RANK": place,
        "LOCAL_RANK": place,
        "WORLD_SIZE": size,
        "LOCAL_WORLD_SIZE": size,
        "MASTER_ADDR": _HOST,
        "MASTER_PORT": str(ports[0]),
        "JAX_COORDINATOR_ADDRESS": workers[0],
        "JAX_NUM_PROCESSES": size,
        "JAX_PROCESS_ID": place,
        "TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}}),
    }


def _own_devices(rank: int, count: int, backend: str) -> dict[str, str]:
    own = {**environment_of(rank, count), "KERAS_BACKEND": backend}
    # What is printed is passed on at once.
    own["PYTHONUNBUFFERED"] = "1"
    if backend == "torch":
        # Its programs see every device and choose by LOCAL_RANK.
        own.pop("CUDA_VISIBLE_DEVICES", None)
    return own


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((_HOST, 0))
        return [each.getsockname()[1] for each in sockets]
