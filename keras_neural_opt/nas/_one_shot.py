"""Evolution over what shared weights say of networks."""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_neural_opt._core.arguments import check_arguments, integer
from keras_neural_opt.nas._finished import Finished, key_of
from keras_neural_opt.nas._genes import Genotype, bred, sample
from keras_neural_opt.nas._genotype_sampler import GenotypeSampler

_POPULATION, _PARENTS = 50, 10
# So often in a row children are networks that were evaluated, before random ones are drawn, and then these.
_CHILDREN, _TRIES = 20, 100


class OneShot(GenotypeSampler):
    r"""Tries networks in the order in which one evaluation of each, that costs little, ranks them (Guo et al., 2020).

    The evaluation is that of a network with the weights that it shares with all others. Before the first trial,
    an evolution over such evaluations takes place: random networks, then children of the best ten so far, half of them
    mutants and half of two parents. The trials are the best that it found, in order; what they come to when they are
    trained changes nothing. Choose it where a training is long and the space can share weights.

    Args:
        space: The genes: a `SearchSpace` of finite kinds, or what it is made of.
        seed: An integer >= 0, of all that is random; by default another one each time.
        evaluate: A function of a genotype that returns a loss.
        n_evaluations: How many networks are evaluated, >= 1. Defaults to 300.

    Raises:
        ValueError: A gene is not of a finite kind, or an argument breaks its rule.

    Example:
        >>> from keras_neural_opt.nas import OneShot
        >>> import optuna
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> sampler = OneShot({"depth": ("int", 1, 9)}, seed=0, evaluate=lambda genotype: -genotype["depth"])
        >>> study = optuna.create_study(sampler=sampler)
        >>> study.optimize(lambda trial: trial.suggest_int("depth", 1, 9), n_trials=2)
        >>> [trial.params["depth"] for trial in study.trials]
        [9, 8]

    References:
        Guo, Zhang, Mu, Heng, Liu, Wei, Sun, Single Path One-Shot Neural Architecture Search with Uniform Sampling,
        2020, https://arxiv.org/abs/1904.00420
    """

    def __init__(
        self,
        space: Any,
        seed: int | None = None,
        *,
        evaluate: Callable[[Genotype], float],
        n_evaluations: int = 300,
    ) -> None:
        super().__init__(space, seed)
        if not callable(evaluate):
            raise ValueError(f"OneShot.evaluate must be a function of a genotype; received {evaluate!r}")
        checked = check_arguments("OneShot", n_evaluations=integer(n_evaluations, 1))
        self.evaluate, self.n_evaluations = evaluate, checked["n_evaluations"]
        self._best_first: list[Genotype] | None = None

    def propose(self, known: Finished, rng: np.random.Generator) -> Genotype:
        """Return the genotype to try next."""
        if self._best_first is None:
            self._best_first = self._evolved(np.random.default_rng(self._seed))
        tried = known.tried()
        untried = (genotype for genotype in self._best_first if key_of(genotype) not in tried)
        return next(untried, None) or self.fresh(lambda: sample(self.space, rng), known, rng)

    def _evolved(self, rng: np.random.Generator) -> list[Genotype]:
        found: dict[Any, tuple[float, Genotype]] = {}
        misses = 0
        while len(found) < self.n_evaluations and misses < _TRIES:
            best = [genotype for _, genotype in sorted(found.values(), key=lambda each: each[0])[:_PARENTS]]
            has_children = len(found) >= _POPULATION and misses < _CHILDREN
            genotype = bred(self.space, best, rng) if has_children else sample(self.space, rng)
            key = key_of(genotype)
            if key in found:
                misses += 1
                continue
            misses = 0
            found[key] = float(self.evaluate(genotype)), genotype
        return [genotype for _, genotype in sorted(found.values(), key=lambda each: each[0])]
