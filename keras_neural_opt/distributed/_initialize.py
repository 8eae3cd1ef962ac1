"""Makes this process a part of a cluster, through the engine that its backend has."""

import importlib
from typing import Any

import keras

from keras_neural_opt._core.arguments import check_arguments, positive
from keras_neural_opt.distributed import _settings
from keras_neural_opt.distributed._cluster import Cluster, joined

_ENGINES = {"torch": "_cluster_torch", "jax": "_cluster_jax", "tensorflow": "_cluster_tf"}


def initialize(address: Any = None, processes: Any = None, rank: Any = None, timeout: float = 60.0) -> Cluster:
    """Make this process a part of a cluster: `torch.distributed`, `jax.distributed` or a `tf.distribute` strategy.

    Call it first, before the backend computes anything. Without arguments it reads what `keras-neural-opt launch`,
    torchrun (`RANK`, `WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT`), TensorFlow (`TF_CONFIG`) or JAX
    (`JAX_COORDINATOR_ADDRESS`, `JAX_NUM_PROCESSES`, `JAX_PROCESS_ID`) have set, whatever the backend; its own kind goes
    first. Where nothing is set, nothing is started, and the process is alone.

    - torch: a process group, of gloo on the CPU, and of NCCL, too, on CUDA, with the device of `LOCAL_RANK`.
    - JAX: `jax.distributed` with gloo on the CPU. All devices of all processes become Keras' `DataParallel`
      distribution, for which each process gives its own part of a batch. Processes without a seed get the same one.
    - TensorFlow: a `MultiWorkerMirroredStrategy` that is the default from then on. It needs an address for each
      process; where only that of rank 0 is known and is a loopback, rank `r` has the port `r + 1` above.

    One process that is asked for by `processes=1`, or by the environment, uses all of its own devices where there are
    several: by `DataParallel` on JAX, by a `MirroredStrategy` on TensorFlow.

    Args:
        address: `HOST:PORT` of rank 0, or one for each rank, separated by commas. What listens there is the engine's.
        processes: How many processes the cluster has.
        rank: The number of this one, from 0.
        timeout: Seconds to wait for the others, on torch and TensorFlow in later collectives, too. TensorFlow itself
            says how long it waits for them at the start.

    Returns:
        The `Cluster`; the same one when it is called again.

    Raises:
        ValueError: An argument or a variable breaks its rule, or some of those that belong together are missing.
        RuntimeError: The process belongs to another cluster already, the backend has computed something, or the others
            did not come in time.

    Example:
        >>> import keras_neural_opt as kno
        >>> kno.distributed.initialize()  # nothing is set here
        Cluster(rank=0, size=1)
    """
    limit = check_arguments("initialize", timeout=positive(timeout))["timeout"]
    backend = keras.backend.backend()
    settings = _settings.given(address, processes, rank) or _settings.from_environment(backend)
    if settings is None:
        return joined.cluster
    if joined.settings is None:
        engine = importlib.import_module(f"keras_neural_opt.distributed.{_ENGINES[backend]}")
        try:
            engine.start(settings, limit)
        except RuntimeError as error:
            raise RuntimeError(
                f"initialize: this process could not become {_words(settings)}: {error}. It must be called before the"
                f" backend computes anything, and every process within {limit:g} seconds of the first"
            ) from error
        joined.settings, joined.engine = settings, engine
        joined.cluster = Cluster(settings.rank, settings.size)
    elif not joined.settings.joins(settings):
        raise RuntimeError(
            f"initialize: this process is already {_words(joined.settings)} and cannot become {_words(settings)}"
        )
    return joined.cluster


def _words(settings: _settings.Settings) -> str:
    where = f" at {settings.addresses[0]}" if settings.addresses else ""
    return f"rank {settings.rank} of {settings.size}{where}"
