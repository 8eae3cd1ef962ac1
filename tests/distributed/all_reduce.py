"""A program of several processes: they add up their numbers; its arguments say who then ends, how and when.

    all_reduce.py [raise|kill RANK FOLDER]

The others wait for that rank in a second sum.
"""

import os
import signal
import sys
import time
from pathlib import Path

import keras
import numpy as np

from keras_neural_opt import distributed


def sum_over_ranks(number: float) -> float:
    """Add up a number of each process through the engine itself."""
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        total = torch.tensor([number])
        torch.distributed.all_reduce(total)
        return total.item()
    if backend == "jax":
        import jax
        from jax.sharding import NamedSharding, PartitionSpec

        layout = keras.distribution.distribution().get_data_layout((2, 1)).backend_layout
        numbers = jax.make_array_from_process_local_data(layout, np.array([[number]]))
        return float(jax.jit(lambda x: x.sum(), out_shardings=NamedSharding(layout.mesh, PartitionSpec()))(numbers))
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    add = tf.function(lambda x: strategy.reduce("SUM", strategy.run(tf.identity, [x]), axis=None))
    return float(add(tf.constant(number)))


def main(how: str = "", victim: str = "", folder: str = "") -> None:
    """Add, print, and end as the arguments say."""
    cluster = distributed.initialize()
    assert distributed.initialize() == cluster == distributed.cluster()
    distributed.barrier()
    print("sum", sum_over_ranks(10.0**cluster.rank), cluster, flush=True)  # noqa: T201 - what the test reads
    if how:
        if victim == str(cluster.rank):
            time.sleep(1)
            (Path(folder) / "ended").write_text(str(time.time()))
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("no such luck")
        sum_over_ranks(1.0)
        time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
