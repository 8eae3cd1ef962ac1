"""TensorFlow's engine: the strategy of `tf.distribute` that becomes the default."""

import functools
import json
import os
from collections.abc import Callable

import tensorflow as tf

from keras_neural_opt.distributed._repair_tf import repair_fit
from keras_neural_opt.distributed._settings import Settings, host_and_port


def start(settings: Settings, timeout: float) -> None:
    """Make the strategy and let every variable from now on belong to it.

    Raises:
        ValueError: There is no address for each worker.
        RuntimeError: TensorFlow has computed something already, or the others did not come.
    """
    if settings.size == 1:
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        if len(devices) < 2:
            return
        strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    else:
        # Also where the settings were of another kind: callbacks of TensorFlow read it, too.
        os.environ["TF_CONFIG"] = _tf_config(settings)
        options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=timeout)
        strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
        repair_fit()
    tf.distribute.experimental_set_strategy(strategy)


def barrier() -> None:
    """Wait for the other workers."""
    _meeting_of(tf.distribute.get_strategy())()


@functools.cache
def _meeting_of(strategy: tf.distribute.Strategy) -> Callable[[], object]:
    # Compiled: TensorFlow warns of collectives outside of functions.
    # There is nothing for autograph, which would say so.
    return tf.function(
        lambda: strategy.reduce("SUM", strategy.run(lambda: tf.constant(1.0)), axis=None), autograph=False
    )


def _tf_config(settings: Settings) -> str:
    if os.environ.get("TF_CONFIG"):
        return os.environ["TF_CONFIG"]
    workers = list(settings.addresses)
    if len(workers) < settings.size:
        host, port = host_and_port(workers[0])
        if not settings.is_local:
            raise ValueError(
                f"initialize.address must be {settings.size} times HOST:PORT on TensorFlow, separated by commas, or"
                f" TF_CONFIG must be set; received {workers[0]!r}"
            )
        # Not that port itself, at which torchrun listens.
        workers = [f"{host}:{port + 1 + rank}" for rank in range(settings.size)]
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": settings.rank}})
