"""The pictures of an architecture search."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from keras_neural_opt.hpo._plots import SearchPlots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ArchitecturePlots(SearchPlots):
    """Draws an architecture search; `ArchitectureSearchResult.plot` is one.

    Args:
        result: An `ArchitectureSearchResult`.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
        >>> result = kno.neural_architecture_search(
        ...     (x, (x[:, 0] > 0).astype(int)), None, search_space="mlp", population_size=2, generations=1, epochs=1,
        ...     performance_predictor="none", seed=1, directory=tempfile.mkdtemp(), verbose=0,
        ... )
        >>> result.plot.architecture().axes[0].get_ylabel()
        'channels'
    """

    _result: Any
    in_report: ClassVar[Mapping[str, tuple[str, str]]] = {
        "architecture": (
            "The network",
            "The best network, layer by layer: width, and share of the multiply-adds",
        ),
        "genealogy": ("Genealogy", "Each network in the order of the trials, joined to its nearest earlier relative"),
        **{name: SearchPlots.in_report[name] for name in ("history", "learning_curves", "pareto", "importance")},
    }

    def architecture(self) -> "Figure":
        """Return the best network, layer by layer: how wide each is, and what share of the multiply-adds it has.

        Raises:
            ValueError: No trial was trained whole.
        """
        from keras_neural_opt.nas._figures import architecture_figure

        return architecture_figure(self._result.best_architecture.build())

    def genealogy(self) -> "Figure":
        """Return each trained network in the order of the trials, joined to the earlier one that it differs least from.

        Raises:
            ValueError: No trial was trained whole.
        """
        from keras_neural_opt.nas._figures import genealogy_figure

        self._completed("genealogy", 1)
        return genealogy_figure(self._result)
