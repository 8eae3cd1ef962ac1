"""The strategies by name."""

from keras_neural_opt.nas._bayesian_evolution import BayesianEvolution
from keras_neural_opt.nas._evolutionary import AgingEvolution
from keras_neural_opt.nas._genotype_sampler import GenotypeSampler
from keras_neural_opt.nas._local import LocalSearch
from keras_neural_opt.nas._nsga_ii import NSGAII
from keras_neural_opt.nas._one_shot import OneShot
from keras_neural_opt.nas._random_search import RandomSearch

# A class, called with the genes and a seed.
STRATEGIES: dict[str, type[GenotypeSampler]] = {
    "auto": BayesianEvolution,
    "bayesian_evolution": BayesianEvolution,
    "evolutionary": AgingEvolution,
    "local": LocalSearch,
    "nsga2": NSGAII,
    "one_shot": OneShot,
    "random": RandomSearch,
}
