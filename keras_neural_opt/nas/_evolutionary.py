"""Aging evolution."""

from typing import Any

import numpy as np

from keras_neural_opt._core.arguments import check_arguments, integer
from keras_neural_opt.nas._finished import Finished
from keras_neural_opt.nas._genes import Genotype, mutate, sample
from keras_neural_opt.nas._genotype_sampler import GenotypeSampler


class AgingEvolution(GenotypeSampler):
    r"""Aging evolution (Real et al., 2019): a good one of the young has a child that differs in one gene.

    The population is the last :math:`P` trials that ended, so the old die whatever they were worth: a network that was
    lucky once must prove itself through its children. No generation is waited for. Choose it for hundreds of cheap
    trials or many workers; for tens of costly ones `BayesianEvolution` finds the same sooner.

    .. math::
        T \sim \mathrm{Uniform}(x_{t-P}, ..., x_{t-1})^S \qquad
        x_t = \mathrm{mutate}\Big(\arg\min_{x \in T} f(x)\Big)

    Args:
        space: The genes: a `SearchSpace` of finite kinds, or what it is made of.
        seed: An integer >= 0, of all that is random; by default another one each time.
        population: Trials :math:`P` that may have children, >= 1; as many random ones come first. Defaults to 20.
        tournament: Trials :math:`S` of which the best has one, >= 1. Defaults to 5.

    Raises:
        ValueError: A gene is not of a finite kind, or an argument breaks its rule.

    Example:
        >>> import optuna
        >>> from keras_neural_opt.nas import AgingEvolution
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> genes = {f"block_{i}": ("categorical", ["skip", "3x3", "5x5"]) for i in range(6)}
        >>> study = optuna.create_study(sampler=AgingEvolution(genes, seed=0))
        >>> def loss(trial):
        ...     return sum(trial.suggest_categorical(name, choices) != "5x5" for name, (_, choices) in genes.items())
        >>> study.optimize(loss, n_trials=100)
        >>> study.best_value <= 1
        True

    Note:
        - The paper has 100 of which 25 are drawn, for 20,000 trials.
        - What was tried is not tried again: another tournament is held. What failed or diverged is the worst.
        - A trial that breaks constraints loses against one that breaks them less; of several objectives each
          tournament minimises another random Chebyshev sum.

    References:
        Real, Aggarwal, Huang, Le, Regularized Evolution for Image Classifier Architecture Search, 2019,
        https://arxiv.org/abs/1802.01548
    """

    def __init__(self, space: Any, seed: int | None = None, *, population: int = 20, tournament: int = 5) -> None:
        super().__init__(space, seed)
        checked = check_arguments(
            "AgingEvolution", population=integer(population, 1), tournament=integer(tournament, 1)
        )
        self.population: int = checked["population"]
        self.tournament: int = checked["tournament"]

    def propose(self, known: Finished, rng: np.random.Generator) -> Genotype:
        """Return the genotype to try next."""
        if len(known.genotypes) < self.population:
            return self.fresh(lambda: sample(self.space, rng), known, rng)
        ranks = known.ranks(rng)
        first = len(ranks) - self.population

        def child() -> Genotype:
            drawn = first + rng.integers(self.population, size=self.tournament)
            return mutate(self.space, known.genotypes[drawn[np.argmin(ranks[drawn])]], rng)

        return self.fresh(child, known, rng)
