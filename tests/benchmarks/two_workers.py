"""A program of two processes that train as the benchmark of compression does with devices of one.

    two_workers.py FILE

Rank 0 writes the weights of each contestant.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_neural_opt as kno
from keras_neural_opt.benchmarks import _compression_accuracy
from keras_neural_opt.benchmarks import _compression_settings as settings
from keras_neural_opt.benchmarks._compression_run import trained
from keras_neural_opt.benchmarks._train_tasks import TASKS
from keras_neural_opt.optimizers import SGD

NAMES = ("none", "int8", "top-k")


def tiny() -> settings.Setting:
    """Return digits in six steps of 16."""
    task = replace(TASKS["digits"], batch=16, steps=6, judged_on=100)
    return settings.Setting(task, lambda rate: SGD(rate, momentum=0.9), "SGD", 0.1, 0.5)


def make_small(assign: Callable[[Any, str, Any], None]) -> None:
    """Leave the benchmark one small task and three contestants.

    Args:
        assign: `setattr`, or that of a monkeypatch.
    """
    everyone = settings.contestants

    def contestants(setting: settings.Setting) -> dict[str, Any]:
        return {name: everyone(setting)[name] for name in ("none", "int8", settings.WITHOUT_FEEDBACK)}

    assign(_compression_accuracy, "SETTINGS", {"digits": tiny()})
    assign(_compression_accuracy, "contestants", contestants)
    assign(settings, "contestants", contestants)


def weights_of_all(rank: int = 0, processes: int = 1) -> dict[str, list[float]]:
    """Return the weights of each contestant after its last step."""
    setting = tiny()
    data, made = setting.task.data(None), settings.contestants(setting)

    def weights(model: Any) -> list[float]:
        return np.concatenate([np.ravel(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables]).tolist()

    return {name: weights(trained(setting, data, made[name], 3, rank, processes)) for name in NAMES}


def main(file: str) -> None:
    """Train, and write the weights."""
    cluster = kno.distributed.initialize(timeout=300.0)
    found = weights_of_all(cluster.rank, cluster.size)
    if cluster.rank == 0:
        Path(file).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
