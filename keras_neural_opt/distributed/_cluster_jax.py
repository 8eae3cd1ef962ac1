"""JAX's engine: `jax.distributed`, and all devices of all processes as Keras' distribution."""

import math
import os

import jax
import keras
from jax.experimental import multihost_utils
from keras.src.backend.jax.distribution_lib import initialize_rng

from keras_neural_opt.distributed._settings import Settings

# Seconds without a sign of life that even a short timeout allows a process on a busy machine.
_HEARTBEAT = 10


def start(settings: Settings, timeout: float) -> None:
    """Connect this process, then let Keras use the devices of all.

    Raises:
        RuntimeError: JAX has computed something already, or the others did not come.
    """
    if settings.size > 1:
        if not jax.distributed.is_initialized():
            _connect(settings, timeout)
        own = jax.process_index(), jax.process_count()
        if own != (settings.rank, settings.size):
            raise RuntimeError(f"jax.distributed has made it rank {own[0]} of {own[1]}")
        # JAX refuses to spread weights that each process has drawn for itself.
        initialize_rng()
    if jax.device_count() > 1:
        # Each process gives its own part of a batch; Keras would otherwise cut a dataset itself.
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def barrier() -> None:
    """Wait for the other processes."""
    multihost_utils.sync_global_devices("keras_neural_opt")


def _connect(settings: Settings, timeout: float) -> None:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    if "JAX_ENABLE_PREEMPTION_SERVICE" not in os.environ:
        # It takes SIGTERM for a warning, and a process that does not ask for it could not be stopped.
        jax.config.update("jax_enable_preemption_service", False)
    address, seconds = settings.addresses[0], math.ceil(timeout)
    jax.distributed.initialize(
        address,
        settings.size,
        settings.rank,
        cluster_detection_method="deactivate",
        initialization_timeout=seconds,
        heartbeat_timeout_seconds=max(seconds, _HEARTBEAT),
        # Without it JAX listens to every machine.
        coordinator_bind_address=address if settings.is_local else None,
    )
