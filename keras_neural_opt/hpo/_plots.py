"""The pictures of a search."""

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from optuna.exceptions import ExperimentalWarning
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt._core.arguments import did_you_mean
from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._parameter import is_finite
from keras_neural_opt.hpo._readable_study import display_names, readable_study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_neural_opt.hpo._result import SearchResult

_DIRECTIONS = {"min": StudyDirection.MINIMIZE, "max": StudyDirection.MAXIMIZE}


class SearchPlots:
    """Draws a search; `SearchResult.plot` is one.

    Each method returns a `matplotlib.figure.Figure` that belongs to nobody else: show it, save it, change it.

    Args:
        result: A `SearchResult`.

    Example:
        >>> import tempfile
        >>> import keras
        >>> import keras_tuner as kt
        >>> import keras_neural_opt as kno
        >>> class Parabola(kt.HyperModel):
        ...     def build(self, hp):
        ...         return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     def fit(self, hp, model, **kwargs):
        ...         return hp.Float("x", -1.0, 1.0) ** 2
        >>> tuner = kno.hpo.OptunaTuner(Parabola(), "loss", max_trials=4, directory=tempfile.mkdtemp(), seed=1)
        >>> tuner.search(verbose=0)
        >>> figure = kno.hpo.SearchResult(tuner).plot.history()
        >>> figure.axes[0].get_ylabel()
        'loss'
    """

    #: What a report shows, in this order: the heading of each picture, and what it shows, for those who cannot see it.
    in_report: ClassVar[Mapping[str, tuple[str, str]]] = {
        "history": ("History", "The value of each trial in their order, and the best so far"),
        "learning_curves": ("Learning curves", "The first objective of each trial over its epochs"),
        "pareto": ("Pareto front", "The objectives of each trial against each other"),
        "importance": ("Importance", "How much each hyperparameter decided whether a trial was among the best"),
        "slice": ("Each hyperparameter", "The first objective over each hyperparameter by itself"),
        "parallel": ("All hyperparameters", "A line for each trial through its hyperparameters to its value"),
        "contour": ("Two hyperparameters", "The first objective over the two hyperparameters of most importance"),
    }

    def __init__(self, result: "SearchResult") -> None:
        self._result = result
        self._objectives = result.oracle.objectives

    def history(self) -> "Figure":
        """Return each trial's value in the order of the trials, and the best so far; a panel for each objective.

        Raises:
            ValueError: No trial completed.
        """
        from keras_neural_opt.hpo._figures import history_figure

        self._completed("history", 1)
        return history_figure(self._result.trials, self._objectives)

    def learning_curves(self) -> "Figure":
        """Return the first objective of each trial over its epochs: pruned ones pale, the best strong.

        Raises:
            ValueError: No trial reported a number.
        """
        from keras_neural_opt.hpo._figures import learning_curves_figure

        first = self._objectives[0]
        if not any(is_finite(value) for trial in self._result.trials for value in trial.history.get(first.name, [])):
            raise ValueError(
                f"SearchPlots.learning_curves must have a trial that reported a finite {first.name}; received none"
            )
        best = self._result.best_trials
        return learning_curves_figure(self._result.trials, first, self._result.best_trial.number if best else None)

    def importance(self) -> "Figure":
        """Return how much each hyperparameter decided whether a trial was among the best, a bar for each objective.

        Parts of the whole, by PED-ANOVA: how differently a hyperparameter is distributed among the best tenth of the
        trials. With fewer than about 50 trials a hint, no more.

        Raises:
            ValueError: Fewer than 2 trials completed, or nothing was varied.

        References:
            Watanabe et al., PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces, 2023,
            https://arxiv.org/abs/2304.10255
        """
        from keras_neural_opt.hpo._figures import importance_figure

        self._points("importance")
        return importance_figure({each.name: self._importances(i) for i, each in enumerate(self._objectives)})

    def parallel(self) -> "Figure":
        """Return a line for each trial through all of its hyperparameters to its first objective; the best is dark.

        A line has a gap at a hyperparameter that the trial does not have.

        Raises:
            ValueError: Fewer than 2 trials completed, or nothing was varied.
        """
        from keras_neural_opt.hpo._figures_of_space import parallel_figure

        return parallel_figure(*self._points("parallel"), self._objectives[0])

    def slice(self) -> "Figure":
        """Return the first objective over each hyperparameter by itself.

        Raises:
            ValueError: Fewer than 2 trials completed, or nothing was varied.
        """
        from keras_neural_opt.hpo._figures_of_space import slice_figure

        return slice_figure(*self._points("slice"), self._objectives[0])

    def contour(self, params: list[str] | None = None) -> "Figure":
        """Return the first objective over two hyperparameters, interpolated between the trials.

        Args:
            params: Two names. Defaults to None: those of most importance.

        Raises:
            ValueError: Fewer than 2 trials completed, fewer than two hyperparameters were varied, or a name is unknown.
        """
        from keras_neural_opt.hpo._figures_of_optuna import contour_figure

        names = list(display_names(self._result.oracle.space()).values())
        self._points("contour")
        importances = self._importances(0)
        if params is None:
            params = list(importances)[:2]
        if not isinstance(params, (list, tuple)) or len(params) != 2 or params[0] == params[1]:
            raise ValueError(f"SearchPlots.contour.params must be two hyperparameters of {names}; received {params}")
        unknown = next((name for name in params if name not in importances), None)
        if unknown is not None:
            raise ValueError(
                f"SearchPlots.contour.params must be two hyperparameters of {list(importances)}; received"
                f" {unknown!r}{did_you_mean(unknown, importances)}"
            )
        return contour_figure(self._readable([0]), list(params), self._objectives[0].name)

    def pareto(self) -> "Figure":
        """Return the objectives of each trial against each other; those that no other is better than stand out.

        Raises:
            ValueError: There are not 2 or 3 objectives, or no trial completed.
        """
        from keras_neural_opt.hpo._figures_of_optuna import pareto_figure

        if len(self._objectives) not in (2, 3):
            names = [each.name for each in self._objectives]
            raise ValueError(f"SearchPlots.pareto must have a search of 2 or 3 objectives; received {names}")
        self._completed("pareto", 1)
        return pareto_figure(self._readable(range(len(self._objectives))), [each.name for each in self._objectives])

    def _completed(self, what: str, count: int) -> list[FrozenTrial]:
        trials = self._result.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        found = [trial for trial in trials if records.counts(trial)]
        if len(found) < count:
            raise ValueError(
                f"SearchPlots.{what} must have at least {count} trial{'s' if count > 1 else ''} that completed;"
                f" received {len(found)}"
            )
        return found

    def _points(self, what: str) -> tuple[list[FrozenTrial], Any]:
        trials, space = self._completed(what, 2), self._result.oracle.space()
        if not len(space):
            raise ValueError(f"SearchPlots.{what} must have a search that varied something; received no hyperparameter")
        return trials, space

    def _readable(self, objectives: Iterable[int], as_drawn: bool = False) -> Any:
        directions = {i: _DIRECTIONS[self._objectives[i].direction] for i in objectives}
        return readable_study(self._completed("study", 1), self._result.oracle.space(), directions, as_drawn)

    def _importances(self, objective: int) -> dict[str, float]:
        study = self._readable([objective], as_drawn=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
