"""Random search."""

import numpy as np

from keras_neural_opt.nas._finished import Finished
from keras_neural_opt.nas._genes import Genotype, sample
from keras_neural_opt.nas._genotype_sampler import GenotypeSampler


class RandomSearch(GenotypeSampler):
    """Random search (Li, Talwalkar, 2019): every network is drawn, and none twice.

    What every other strategy must beat. All values of a gene are alike likely.

    Args:
        space: The genes: a `SearchSpace` of finite kinds, or what it is made of.
        seed: An integer >= 0, of all that is random; by default another one each time.

    Raises:
        ValueError: A gene is not of a finite kind, or the seed breaks its rule.

    Example:
        >>> import optuna
        >>> from keras_neural_opt.nas import RandomSearch
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> study = optuna.create_study(sampler=RandomSearch({"depth": ("int", 1, 9)}, seed=0))
        >>> study.optimize(lambda trial: abs(trial.suggest_int("depth", 1, 9) - 6), n_trials=9)
        >>> study.best_value
        0.0

    References:
        Li, Talwalkar, Random Search and Reproducibility for Neural Architecture Search, 2019,
        https://arxiv.org/abs/1902.07638
    """

    def propose(self, known: Finished, rng: np.random.Generator) -> Genotype:
        """Return the genotype to try next."""
        return self.fresh(lambda: sample(self.space, rng), known, rng)
