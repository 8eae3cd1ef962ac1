"""Evolution that is guided by a Gaussian process over genotypes."""

from typing import Any

import numpy as np

from keras_neural_opt._core.arguments import check_arguments, integer
from keras_neural_opt.hpo._gp_acquisition import acquisition_of
from keras_neural_opt.hpo._gp_search import Acquisition
from keras_neural_opt.hpo._gp_values import scalarised, warped
from keras_neural_opt.nas._codes import Codes
from keras_neural_opt.nas._finished import Finished, key_of
from keras_neural_opt.nas._genes import Genotype, bred, sample
from keras_neural_opt.nas._genotype_sampler import GenotypeSampler

_PARENTS, _CHILDREN, _ROUNDS, _RANDOM = 10, 60, 2, 100


class BayesianEvolution(GenotypeSampler):
    r"""Evolution guided by a Gaussian process (after White et al., 2021): the most promising child is tried.

    The process says, of every network, what loss to expect and how sure that is, from how alike it is to those that
    were tried. The best networks have many children, these have children again, and of all of them and some random
    networks the one that promises most improvement is tried. Choose it for tens to hundreds of costly trials, as
    trainings are; it is the default.

    The kernel :math:`k` counts the genes that differ, each by a weight of its own; a gene that is inactive has a value
    of its own. :math:`f^*` is the least loss that is *expected* of a network that was tried, not the least observed,
    which was lucky:

    .. math::
        k(x, y) = s^2 \exp\Big(-\textstyle\sum_i w_i [x_i \neq y_i]\Big) \qquad
        a(x) = \log \mathrm{E} \max(f^* - f(x), 0) + \textstyle\sum_c \log P(c(x) \leq 0)

    Args:
        space: The genes: a `SearchSpace` of finite kinds, or what it is made of.
        seed: An integer >= 0, of all that is random; by default another one each time.
        n_startup: Random trials before the process guides, >= 1. Defaults to 10.

    Raises:
        ValueError: A gene is not of a finite kind, or an argument breaks its rule.

    Example:
        >>> import optuna
        >>> from keras_neural_opt.nas import BayesianEvolution
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> genes = {f"block_{i}": ("categorical", ["skip", "3x3", "5x5"]) for i in range(6)}
        >>> study = optuna.create_study(sampler=BayesianEvolution(genes, seed=0))
        >>> def loss(trial):
        ...     return sum(trial.suggest_categorical(name, choices) != "5x5" for name, (_, choices) in genes.items())
        >>> study.optimize(loss, n_trials=40)
        >>> study.best_value
        0.0

    Note:
        - A running trial counts as if it came to what is expected of it. What failed or diverged is the worst.
        - Several objectives: each proposal minimises another random Chebyshev sum of them (ParEGO).
        - The paper's BANANAS has an ensemble of networks in the place of the process.

    References:
        - White, Neiswanger, Savani, BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture
          Search, 2021, https://arxiv.org/abs/1910.11858
        - Knowles, ParEGO, 2006, https://doi.org/10.1109/TEVC.2005.851274
    """

    def __init__(self, space: Any, seed: int | None = None, *, n_startup: int = 10) -> None:
        super().__init__(space, seed)
        self.n_startup: int = check_arguments("BayesianEvolution", n_startup=integer(n_startup, 1))["n_startup"]
        self._codes = Codes(self.space)

    def propose(self, known: Finished, rng: np.random.Generator) -> Genotype:
        """Return the genotype to try next."""
        if len(known.genotypes) < self.n_startup:
            return self.fresh(lambda: sample(self.space, rng), known, rng)
        values = scalarised(known.table, rng)
        acquisition, _ = acquisition_of(
            np.ones(len(self.space), bool),
            self._codes(known.genotypes),
            warped(values),
            known.constraints,
            self._codes(known.running),
            self._codes.priors,
        )
        order = np.lexsort([values, known.violations])
        candidates = self._evolved(acquisition, [known.genotypes[i] for i in order[:_PARENTS]], known, rng)
        return candidates[0] if candidates else self.fresh(lambda: sample(self.space, rng), known, rng)

    def _evolved(
        self, acquisition: Acquisition, parents: list[Genotype], known: Finished, rng: np.random.Generator
    ) -> list[Genotype]:
        """Return the most promising genotypes that were not tried, the best first."""
        tried, new = known.tried(), [sample(self.space, rng) for _ in range(_RANDOM)]
        found: list[Genotype] = []
        for _ in range(_ROUNDS):
            new += [bred(self.space, parents, rng) for _ in range(_CHILDREN)]
            # A dict, not a set, so that the order does not depend on how strings are hashed.
            untried = {key: g for g in [*found, *new] if (key := key_of(g)) not in tried}
            found, new = list(untried.values()), []
            if not found:
                break
            best = np.argsort(-acquisition(self._codes(found)), kind="stable")[:_PARENTS]
            found = [found[i] for i in best]
            parents = found
        return found
