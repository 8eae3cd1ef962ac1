"""Architecture search: spaces of architectures, strategies that search them, and what their networks cost."""

from keras_neural_opt.nas._architecture import Architecture
from keras_neural_opt.nas._architecture_space import SearchSpace
from keras_neural_opt.nas._bayesian_evolution import BayesianEvolution
from keras_neural_opt.nas._cell import cell
from keras_neural_opt.nas._count_flops import count_flops
from keras_neural_opt.nas._elastic import ElasticNetwork, FirstChannels
from keras_neural_opt.nas._evolutionary import AgingEvolution
from keras_neural_opt.nas._from_hypermodel import from_hypermodel
from keras_neural_opt.nas._local import LocalSearch
from keras_neural_opt.nas._measures import estimate_memory, measure_latency
from keras_neural_opt.nas._mlp import mlp
from keras_neural_opt.nas._mobilenet_v3 import mobilenet_v3
from keras_neural_opt.nas._nsga_ii import NSGAII
from keras_neural_opt.nas._one_shot import OneShot
from keras_neural_opt.nas._plots import ArchitecturePlots
from keras_neural_opt.nas._random_search import RandomSearch
from keras_neural_opt.nas._recommended import recommended
from keras_neural_opt.nas._resnet import resnet
from keras_neural_opt.nas._result import ArchitectureSearchResult
from keras_neural_opt.nas._task import Task
from keras_neural_opt.nas._transformer import transformer
from keras_neural_opt.nas._zero_cost import zero_cost

__all__ = [
    "AgingEvolution",
    "Architecture",
    "ArchitecturePlots",
    "ArchitectureSearchResult",
    "BayesianEvolution",
    "ElasticNetwork",
    "FirstChannels",
    "LocalSearch",
    "NSGAII",
    "OneShot",
    "RandomSearch",
    "SearchSpace",
    "Task",
    "cell",
    "count_flops",
    "estimate_memory",
    "from_hypermodel",
    "measure_latency",
    "mlp",
    "mobilenet_v3",
    "recommended",
    "resnet",
    "transformer",
    "zero_cost",
]
