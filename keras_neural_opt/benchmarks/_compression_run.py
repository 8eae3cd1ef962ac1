"""One training by several workers, from its seed to its score."""

from typing import Any

import keras
import numpy as np

from keras_neural_opt.benchmarks._compression_settings import WORKERS, Setting
from keras_neural_opt.benchmarks._train_data import Data
from keras_neural_opt.compression import Compressor
from keras_neural_opt.distributed import distribute


def scored(setting: Setting, data: Data, compression: Compressor | None, seed: int) -> dict[str, float]:
    """Train with as many devices of this process as there are workers, and return the score and what was sent.

    Args:
        setting: What is trained.
        data: Its data.
        compression: What workers send.
        seed: Of the weights and the batches.
    """
    devices = keras.distribution.list_devices()[:WORKERS]
    with keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False).scope():
        model = trained(setting, data, compression, seed)
        x, y = _held_out(setting, data)
        found = model.evaluate(x, y, batch_size=_JUDGED_AT_ONCE, verbose=0, return_dict=True)
        sent = model.optimizer.bytes_sent / setting.task.steps
    return {
        "score": round(float(found[setting.task.metric]), 5),
        "loss": round(float(found["loss"]), 5),
        "bytes_per_step": round(sent),
    }


def trained(
    setting: Setting, data: Data, compression: Compressor | None, seed: int, rank: int = 0, processes: int = 1
) -> Any:
    """Return the network after its last step.

    Args:
        setting: What is trained.
        data: Its data.
        compression: What workers send.
        seed: Of the weights and the batches.
        rank: The number of this process.
        processes: How many there are, each with its own part of every batch.
    """
    keras.utils.set_random_seed(seed)
    model = setting.task.model()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(setting.make(compression), loss, metrics=["accuracy"])
    distribute(model)
    model.fit(_Batches(setting, data, seed, rank, processes), shuffle=False, verbose=0)
    return model


class _Batches(keras.utils.PyDataset):
    """A process' part of every batch; batches are drawn with replacement."""

    def __init__(self, setting: Setting, data: Data, seed: int, rank: int, processes: int) -> None:
        super().__init__()
        self._task, self._data, self._seed = setting.task, data, seed
        self._rank, self._processes = rank, processes

    def __len__(self) -> int:
        return self._task.steps

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        samples = len(self._data.inputs) - (self._task.context or 0)
        chosen = np.random.default_rng((self._seed, step)).integers(samples, size=self._task.batch)
        own = chosen.reshape(self._processes, -1)[self._rank]
        if self._task.context is None:
            return self._data.inputs[own], self._data.labels[own]
        text = self._data.inputs[own[:, None] + np.arange(self._task.context + 1)]
        return text[:, :-1], text[:, 1:]


_JUDGED_AT_ONCE = 1_000


def _held_out(setting: Setting, data: Data) -> tuple[np.ndarray, np.ndarray]:
    x, y, context = data.held_out_inputs, data.held_out_labels, setting.task.context
    if context is None:
        return x[: setting.task.judged_on], y[: setting.task.judged_on]
    text = x[: setting.task.judged_on * context + 1]
    return text[:-1].reshape(-1, context), text[1:].reshape(-1, context)
