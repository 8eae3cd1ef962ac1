"""Data-parallel training: several processes, on one machine or many, that train one model."""

from keras_neural_opt.distributed._cluster import Cluster, barrier, cluster
from keras_neural_opt.distributed._initialize import initialize

__all__ = ["Cluster", "barrier", "cluster", "initialize"]
