"""torch's engine: a process group of `torch.distributed`."""

import os
import socket
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from keras_neural_opt.distributed._settings import Settings, host_and_port


def start(settings: Settings, timeout: float) -> None:
    """Make this process a rank of the default process group, unless the program has made it one.

    Raises:
        RuntimeError: It has another rank already, or the others did not come.
    """
    if dist.is_initialized():
        own = dist.get_rank(), dist.get_world_size()
        if own != (settings.rank, settings.size):
            raise RuntimeError(f"torch.distributed has made it rank {own[0]} of {own[1]}")
        return
    limit = timedelta(seconds=timeout)
    backend = "gloo"
    if torch.cuda.is_available():
        _choose_device(settings)
        # Ranks that share a device are refused by NCCL.
        shared = int(os.environ.get("LOCAL_WORLD_SIZE", settings.size)) > torch.cuda.device_count()
        backend = "gloo" if shared and settings.size > 1 else "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=limit, **_meeting(settings, limit))


def barrier() -> None:
    """Wait for the other ranks."""
    dist.barrier()


def _choose_device(settings: Settings) -> None:
    local = settings.rank if settings.local_rank is None else settings.local_rank
    torch.cuda.set_device(local % torch.cuda.device_count())


def _meeting(settings: Settings, limit: timedelta) -> dict[str, Any]:
    """Return how the ranks find each other: nothing listens to other machines where the address is a loopback."""
    ranks = {"rank": settings.rank, "world_size": settings.size}
    if settings.size == 1:
        return {**ranks, "store": dist.HashStore()}
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        return {"init_method": "env://"}  # torchrun itself listens at the address.
    if not settings.is_local:
        return {**ranks, "init_method": f"tcp://{settings.addresses[0]}"}
    _stay_on_loopback()
    host, port = host_and_port(settings.addresses[0])
    # torch's own listener would be open to every machine.
    listener = socket.create_server((host, port)).detach() if settings.rank == 0 else None
    store = dist.TCPStore(host, port, settings.size, settings.rank == 0, limit, master_listen_fd=listener)
    return {**ranks, "store": store}


def _stay_on_loopback() -> None:
    loopback = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    if loopback:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])
