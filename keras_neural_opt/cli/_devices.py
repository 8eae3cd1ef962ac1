"""Splits the processor into several devices of JAX, before that computes anything."""

import os

# Collectives of several steps may be in flight, and each device that waits in one has a thread to itself: with as few
# as a small machine has processors, XLA would wait for ever.
_THREADS_A_DEVICE = 4
_FLAG = "--xla_force_host_platform_device_count"


def split_processor(count: int) -> None:
    """Let JAX see `count` devices, unless it was told of another number before; then that stays."""
    flags = os.environ.get("XLA_FLAGS", "")
    if _FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_FLAG}={count}".strip()
    # XLA takes the number of its threads from here.
    os.environ.setdefault("NPROC", str(_THREADS_A_DEVICE * count))
