"""What discards the worst networks before they are trained."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial
from scipy import stats

from keras_neural_opt.hpo._gp import Array
from keras_neural_opt.hpo._gp_acquisition import fitted
from keras_neural_opt.hpo._gp_values import warped
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.nas._codes import Codes
from keras_neural_opt.nas._finished import Finished, finished
from keras_neural_opt.nas._genes import Genotype
from keras_neural_opt.nas._measures import measured
from keras_neural_opt.nas._shared_weights import SharedWeights
from keras_neural_opt.nas._zero_cost import zero_cost

# So many networks are trained before one is discarded: where nothing is known, nothing is the worst.
_TRAINED = 10
_BETTER = 2 / 3


class Screen:
    """Refuses a network of which less is to be expected than of two thirds of those that were trained.

    Args:
        space: The genes.
    """

    name = ""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space

    def scores(self, genotype: Genotype, model: Any, batch: Any) -> dict[str, float]:
        """Return what is measured of the network, for the record of the trial.

        Args:
            genotype: Its genes.
            model: The network, compiled.
            batch: Inputs and labels.
        """
        return {}

    def reason(self, study: Study, trial: FrozenTrial, genotype: Genotype, scores: Mapping[str, float]) -> str | None:
        """Return why a network is not worth a training, or None."""
        known = finished(study, self.space, but=trial).trained(scores)
        if len(known.genotypes) < _TRAINED:
            return None
        *others, own = self.expected(known, genotype, scores)
        better = int(np.sum(np.array(others) < own))
        if better <= _BETTER * len(others):
            return None
        return f"{self.name}: of {better} of {len(others)} networks that were trained more is to be expected"

    def expected(self, known: Finished, genotype: Genotype, scores: Mapping[str, float]) -> Array:
        """Return numbers of which less promises more: of all that were trained, and of the new network."""
        raise NotImplementedError


class ZeroCost(Screen):
    """The mean of a network's ranks by scores of its gradients, its parameters and its multiply-adds.

    Scores by which the networks that were trained rank the wrong way round have no voice.
    """

    name = "zero_cost"

    def scores(self, genotype: Genotype, model: Any, batch: Any) -> dict[str, float]:
        """Return what the gradients on a batch say, and the size."""
        return {**zero_cost(model, batch[0], batch[1], model.loss), **measured(model, ("params", "flops"))}

    def expected(self, known: Finished, genotype: Genotype, scores: Mapping[str, float]) -> Array:
        """Return mean ranks."""
        losses = known.table[:, 0]
        columns = (np.array([each[name] for each in (*known.known, scores)]) for name in sorted(scores))
        ranks = [stats.rankdata(-column) for column in columns if _agrees(-column[:-1], losses)]
        return np.mean(ranks, 0) if ranks else np.zeros(len(losses) + 1)


class Surrogate(Screen):
    """The loss that a Gaussian process over genotypes expects."""

    name = "surrogate"

    def expected(self, known: Finished, genotype: Genotype, scores: Mapping[str, float]) -> Array:
        """Return expected losses."""
        codes = Codes(self.space)
        x = codes([*known.genotypes, genotype])
        process = fitted(x[:-1], warped(known.table[:, 0]), np.ones(len(self.space), bool), codes.priors)
        return process.predict(x)[0]


class WeightSharing(Screen):
    """The loss of a network with its part of the weights that all share.

    Args:
        space: The genes.
        shared: The weights.
    """

    name = "weight_sharing"

    def __init__(self, space: SearchSpace, shared: SharedWeights) -> None:
        super().__init__(space)
        self._shared = shared

    def scores(self, genotype: Genotype, model: Any, batch: Any) -> dict[str, float]:
        """Return the loss with shared weights."""
        return {"shared_loss": self._shared.loss(genotype)}

    def expected(self, known: Finished, genotype: Genotype, scores: Mapping[str, float]) -> Array:
        """Return these losses, which have no voice where they rank the trained networks the wrong way round."""
        shared = np.array([each["shared_loss"] for each in (*known.known, scores)])
        return shared if _agrees(shared[:-1], known.table[:, 0]) else np.zeros(len(shared))


def _agrees(a: Array, b: Array) -> bool:
    if np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return False
    return bool(stats.spearmanr(a, b).statistic > 0.0)
