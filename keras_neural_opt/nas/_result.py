"""What an architecture search gives back."""

from typing import Any, ClassVar

import numpy as np

from keras_neural_opt.hpo._result import SearchedTrial, SearchResult
from keras_neural_opt.nas._architecture import Architecture
from keras_neural_opt.nas._hypervolume import hypervolume
from keras_neural_opt.nas._plots import ArchitecturePlots
from keras_neural_opt.nas._recommended import recommended


class ArchitectureSearchResult(SearchResult):
    """The trials of an architecture search, and the best of them as networks.

    `neural_architecture_search` returns one. It has all that a `hpo.SearchResult` has.

    Args:
        tuner: The `OptunaTuner` that has searched.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
        >>> space = kno.nas.mlp(depths=1, units=[4, 8], activations="relu", dropout_rates=0.0, batch_norms=False)
        >>> result = kno.neural_architecture_search(
        ...     (x, (x[:, 0] > 0).astype(int)), None, search_space=space, population_size=2, generations=1, epochs=1,
        ...     performance_predictor="none", seed=1, directory=tempfile.mkdtemp(), verbose=0,
        ... )
        >>> result.best_architecture.build().output_shape
        (None, 2)
    """

    title: ClassVar[str] = "Architecture search"
    what: ClassVar[str] = "architecture"
    varied: ClassVar[str] = "gene"

    @property
    def best_architecture(self) -> Architecture:
        """The best network; for several objectives the one that is best in the first.

        Raises:
            ValueError: No trial was trained whole.
        """
        return self._architecture(self.best_trial)

    @property
    def recommended_architecture(self) -> Architecture:
        """The network from which most is to be expected, of one objective, where trainings differ; see `recommended`.

        Raises:
            ValueError: No trial was trained whole, or there are several objectives.
        """
        searched = self.tuner.hypermodel
        genotype = recommended(self.study, searched.architectures.genes)
        whole = [self._architecture(trial) for trial in self.trials if trial.values is not None]
        return next(each for each in whole if each.genotype == genotype)

    @property
    def architectures(self) -> list[Architecture]:
        """The networks that were trained whole, the best first; for several objectives the Pareto front."""
        return [self._architecture(trial) for trial in self.best_trials]

    def _architecture(self, trial: SearchedTrial) -> Architecture:
        searched = self.tuner.hypermodel
        epoch = (trial.best_epoch or 1) - 1
        measured = {name: values[epoch] for name, values in trial.history.items() if len(values) > epoch}
        objectives = dict(zip((each.name for each in self.oracle.objectives), trial.values or (), strict=True))
        genotype = searched.genotype(trial.hyperparameters)
        return Architecture(genotype, {**objectives, **measured}, trial.number, searched.architectures, searched.task)

    def hypervolume(self, reference: Any) -> float:
        """Return the volume between the Pareto front and a point that is worse: more is better.

        Args:
            reference: A number for each objective, in its own units and in their order.

        Raises:
            ValueError: There are not as many numbers as objectives.
        """
        objectives = self.oracle.objectives
        if np.shape(reference) != (len(objectives),):
            raise ValueError(
                f"hypervolume.reference must have a number for each of {[o.name for o in objectives]};"
                f" received {reference!r}"
            )
        signs = np.array([1.0 if each.direction == "min" else -1.0 for each in objectives])
        front = np.array([trial.values for trial in self.best_trials], float).reshape(-1, len(signs))
        return hypervolume(signs * front, signs * np.asarray(reference, float))

    @property
    def plot(self) -> ArchitecturePlots:
        """Its pictures: those of a `hpo.SearchResult`, and `plot.architecture()` and `plot.genealogy()`."""
        return ArchitecturePlots(self)
