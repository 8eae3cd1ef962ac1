"""Pictures that Optuna draws, without what it leaves behind: a style for all later ones, and open figures."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from optuna.exceptions import ExperimentalWarning
from optuna.study import Study
from optuna.visualization import matplotlib as drawn

from keras_neural_opt.hpo._panels import PALE


def contour_figure(study: Study, params: list[str], objective: str) -> Figure:
    """Return the first objective over two hyperparameters.

    Args:
        study: The trials.
        params: Two names.
        objective: What is drawn.
    """
    with _left_as_it_was((6.0, 4.5)):
        axes = drawn.plot_contour(study, params, target_name=objective)
        axes.set_title("")
        return _taken(axes)


def pareto_figure(study: Study, names: list[str]) -> Figure:
    """Return the objectives of each trial against each other.

    Args:
        study: The trials.
        names: The objectives.
    """
    with _left_as_it_was((6.0, 4.5)):
        axes = drawn.plot_pareto_front(study, target_names=names)
        axes.set_title("")
        axes.set_facecolor("white")
        axes.grid(color=PALE, alpha=0.25)
        axes.get_legend().set_frame_on(False)
        return _taken(axes)


def _taken(axes: Any) -> Figure:
    figure: Figure = axes.figure
    plt.close(figure)
    return figure


@contextlib.contextmanager
def _left_as_it_was(size: tuple[float, float]) -> Iterator[None]:
    options = {"figure.figsize": size, "figure.constrained_layout.use": True}
    with mpl.rc_context(options), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
