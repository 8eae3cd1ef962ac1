"""Population based training: the worst go on from the best, with other hyperparameters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial

from keras_neural_opt._core.arguments import fraction, integer
from keras_neural_opt.hpo._halving import GoesOn, SuccessiveHalving, rung_of, waiting_to_go_on
from keras_neural_opt.hpo._parameter import Parameter
from keras_neural_opt.hpo._records import begins
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.hpo._tuner import OptunaTuner


class PopulationBasedTraining(SuccessiveHalving):
    r"""Population based training (Jaderberg et al., 2017), as what `PopulationBasedTuner` prunes by.

    Args:
        population_size: Members, >= 2. Defaults to 8.
        interval: Epochs between two looks at the population, >= 1. Defaults to 1.
        quantile: The part of the population, in [0, 1), that goes on from as many of the best. Defaults to 0.25.
        resample_probability: How often, in [0, 1), a hyperparameter that changes is drawn anew. Defaults to 0.25.

    Raises:
        ValueError: An argument breaks its rule.
    """

    population_size: int
    quantile: float
    resample_probability: float

    def __init__(
        self, population_size: int = 8, interval: int = 1, quantile: float = 0.25, resample_probability: float = 0.25
    ) -> None:
        super().__init__(interval)
        self.set_hyperparameters(
            population_size=integer(population_size, 2),
            quantile=fraction(quantile),
            resample_probability=fraction(resample_probability),
        )

    def pauses(self, epochs: int, bracket: int) -> bool:
        """Whether a trial is paused after that many epochs."""
        return epochs % self.min_epochs == 0

    def next_to_go_on(
        self, trials: Sequence[FrozenTrial], sign: float, space: SearchSpace, seed: int, ended: bool
    ) -> GoesOn | None:
        """Return the member that is furthest behind: it goes on by itself, or from a better one where it is bad."""
        paused = waiting_to_go_on(trials)
        if not paused or sum(map(begins, trials)) < self.population_size:
            return None
        member = min(paused, key=lambda t: (rung_of(t)[0], t.number))
        epochs = rung_of(member)[0]
        reached = [t for t in trials if t.last_step == epochs - 1 and np.isfinite(t.intermediate_values[epochs - 1])]
        ranked = sorted(reached, key=lambda t: (sign * t.intermediate_values[epochs - 1], t.number))
        few = int(len(ranked) * self.quantile)
        if member in ranked[: len(ranked) - few] or not few:
            return GoesOn(member, member, member.params)
        rng = np.random.default_rng([seed, member.number])
        better = ranked[int(rng.integers(few))]
        changed = {p.key: self._explored(p, better.params, rng) for p in space if p.key in better.params}
        return GoesOn(member, better, changed)

    def _explored(self, parameter: Parameter, params: dict[str, Any], rng: np.random.Generator) -> Any:
        """Return a value near the one of `params`, or sometimes any."""
        d, value = parameter.distribution, params[parameter.key]
        anew = rng.random() < self.resample_probability
        if isinstance(d, CategoricalDistribution):
            return d.choices[int(rng.integers(len(d.choices)))] if anew else value
        low, high = float(d.low), float(d.high)
        if anew:
            share = rng.random()
            drawn = low * (high / low) ** share if d.log else low + share * (high - low)
        else:
            drawn = value * (0.8 if rng.random() < 0.5 else 1.2)
        drawn = min(max(drawn, low), high)
        if d.step is None:
            return drawn
        return type(d.low)(low + round((drawn - low) / d.step) * d.step)


class PopulationBasedTuner(OptunaTuner):
    r"""A population whose worst members go on from the best with changed hyperparameters (Jaderberg et al., 2017).

    All members train at once, `interval` epochs at a time. Then each of the worst takes over the whole training of one
    of the best, and its hyperparameters times 0.8 or 1.2, or, with some probability, drawn anew. What comes out is a
    training whose hyperparameters follow a schedule that nobody wrote. Only hyperparameters that leave the weights'
    shapes alone can change: rates, momenta, dropout.

    Args:
        hypermodel: As of `OptunaTuner`.
        objective: As of `OptunaOracle`; one.
        population_size: Members, >= 2. Defaults to 8.
        interval: Epochs between two looks at the population, >= 1. Defaults to 1.
        quantile: The part of the members, in [0, 1), that goes on from as many of the best. Defaults to 0.25.
        resample_probability: How often, in [0, 1), a hyperparameter that changes is drawn anew. Defaults to 0.25.
        hyperparameters: As of `OptunaOracle`; must be given.
        **kwargs: More arguments of `OptunaTuner`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import tempfile
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> def build(hp):
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     model.compile(kno.optimizers.SGD(hp["rate"]), "mse")
        ...     return model
        >>> tuner = kno.hpo.PopulationBasedTuner(
        ...     build, "val_loss", population_size=4, hyperparameters=[("rate", "log_uniform", 1e-3, 1.0)], seed=1,
        ...     directory=tempfile.mkdtemp(),
        ... )
        >>> x = np.linspace(-1.0, 1.0, 32).reshape(-1, 1)
        >>> tuner.search(x, 2 * x, validation_data=(x, 2 * x), epochs=2, verbose=0)
        >>> len(tuner.oracle.get_best_trials(8))
        4

    References:
        Jaderberg et al., Population Based Training of Neural Networks, 2017, https://arxiv.org/abs/1711.09846
    """

    def __init__(
        self,
        hypermodel: Any,
        objective: Any,
        population_size: int = 8,
        interval: int = 1,
        quantile: float = 0.25,
        resample_probability: float = 0.25,
        *,
        hyperparameters: Any,
        sampler: Any = "random",
        **kwargs: Any,
    ) -> None:
        pruner = PopulationBasedTraining(population_size, interval, quantile, resample_probability)
        super().__init__(
            hypermodel,
            objective,
            population_size,
            hyperparameters=hyperparameters,
            sampler=sampler,
            pruner=pruner,
            **kwargs,
        )
