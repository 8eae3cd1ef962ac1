"""What `train_neural_network(distributed=True)` makes of its arguments."""

from typing import Any

import keras

from keras_neural_opt import optimizers
from keras_neural_opt._core.nested import chain
from keras_neural_opt.distributed._optimizer import DistributedOptimizer
from keras_neural_opt.distributed._shard import ShardedData, shard
from keras_neural_opt.training._data import is_dataset


def distributed_optimizer(optimizer: Any) -> Any:
    """Return an optimizer, or one by its name, with a `DistributedOptimizer` around it where there is none yet."""
    made = optimizers.get(optimizer) if isinstance(optimizer, str) else optimizer
    if not isinstance(made, keras.optimizers.Optimizer) or any(
        isinstance(x, DistributedOptimizer) for x in chain(made)
    ):
        return made
    return DistributedOptimizer(made)


def sharded(data: Any, batch_size: int, shuffle: bool, seed: int) -> Any:
    """Return arrays and each `PyDataset` shared among the workers; other data as it is: each worker's own part."""
    if data is None or isinstance(data, ShardedData):
        return data
    if isinstance(data, keras.utils.PyDataset):
        return shard(data, shuffle=shuffle, seed=seed)
    if is_dataset(data):
        return data
    return shard(*keras.utils.unpack_x_y_sample_weight(data), batch_size=batch_size, shuffle=shuffle, seed=seed)
