"""Hyperparameter search: KerasTuner's face, Optuna's engine."""

from keras_neural_opt.hpo._gp_sampler import GaussianProcessSampler
from keras_neural_opt.hpo._halved_start import HalvedStart
from keras_neural_opt.hpo._halving import Hyperband, SuccessiveHalving
from keras_neural_opt.hpo._hardened import HardenedTuner
from keras_neural_opt.hpo._oracle import OptunaOracle
from keras_neural_opt.hpo._plots import SearchPlots
from keras_neural_opt.hpo._population import PopulationBasedTuner
from keras_neural_opt.hpo._report_and_prune import ReportAndPrune
from keras_neural_opt.hpo._result import SearchedTrial, SearchResult
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.hpo._tuner import OptunaTuner

__all__ = [
    "GaussianProcessSampler",
    "HalvedStart",
    "HardenedTuner",
    "Hyperband",
    "OptunaOracle",
    "OptunaTuner",
    "PopulationBasedTuner",
    "ReportAndPrune",
    "SearchPlots",
    "SearchResult",
    "SearchSpace",
    "SearchedTrial",
    "SuccessiveHalving",
]
