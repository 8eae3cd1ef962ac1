"""Data-parallel training: several processes, on one machine or many, that train one model."""

from keras_neural_opt.distributed._cluster import Cluster, barrier, cluster
from keras_neural_opt.distributed._communication_stats import CommunicationStats
from keras_neural_opt.distributed._distribute import distribute
from keras_neural_opt.distributed._initialize import initialize
from keras_neural_opt.distributed._optimizer import DistributedOptimizer
from keras_neural_opt.distributed._save import save
from keras_neural_opt.distributed._shard import ShardedData, shard

__all__ = [
    "Cluster",
    "CommunicationStats",
    "DistributedOptimizer",
    "ShardedData",
    "barrier",
    "cluster",
    "distribute",
    "initialize",
    "save",
    "shard",
]
