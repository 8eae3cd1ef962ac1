import math
from collections.abc import Callable, Iterator
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import keras_tuner as kt
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from keras_neural_opt.hpo import SearchPlots, SearchResult
from keras_neural_opt.hpo._panels import BEST, PALE
from keras_neural_opt.hpo._readable_study import display_names, readable_study
from tests.hpo.searches import TWO, oracle, report, result, run, two, value_of


@pytest.fixture(scope="module")
def searched() -> SearchResult:
    return result()


@pytest.fixture(scope="module")
def pruned() -> SearchResult:
    # The more a trial is worth, the sooner it is stopped; the first five are not.
    found = result(pruner="median", max_trials=30, value=lambda v: 5 * value_of(v))
    assert {trial.state for trial in found.trials} == {"completed", "pruned"}
    return found


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []


def line(figure: Figure, label: str, panel: int = 0) -> Any:
    return next(each for each in figure.axes[panel].lines if each.get_label() == label)


@pytest.mark.parametrize(("direction", "better"), [("min", min), ("max", max)])
def test_history_shows_each_value_and_the_best_so_far(direction: str, better: Callable) -> None:
    found = result(("score", direction), max_trials=8)
    figure = found.plot.history()
    values = [trial.values[0] for trial in found.trials]
    np.testing.assert_array_equal(line(figure, "completed").get_xydata(), list(enumerate(values)))
    np.testing.assert_array_equal(line(figure, "best so far").get_ydata(), list(accumulate(values, better)))
    assert line(figure, "best so far").get_drawstyle() == "steps-post"


def test_history_shows_what_pruned_trials_had_reached(pruned: SearchResult) -> None:
    expected = [(t.number, min(t.history["loss"])) for t in pruned.trials if t.state == "pruned"]
    shown = line(pruned.plot.history(), "stopped early: best epoch until then")
    np.testing.assert_array_equal(shown.get_xydata(), expected)


def test_history_has_a_panel_for_each_objective() -> None:
    figure = result(TWO, two, max_trials=4).plot.history()
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "seconds"]
    np.testing.assert_allclose(
        line(figure, "completed", 0).get_ydata() + line(figure, "completed", 1).get_ydata(), np.ones(4)
    )


def test_learning_curves_are_pale_strong_or_between(pruned: SearchResult) -> None:
    lines = pruned.plot.learning_curves().axes[0].lines
    by_color = {color: [each for each in lines if each.get_color() == color] for color in (PALE, BEST)}
    assert len(lines) == 30
    assert len(by_color[PALE]) == sum(trial.state == "pruned" for trial in pruned.trials)
    (best,) = by_color[BEST]
    assert best is lines[-1]
    assert best.get_label() == f"best, trial {pruned.best_trial.number}"
    np.testing.assert_array_equal(best.get_ydata(), pruned.best_trial.history["loss"])
    np.testing.assert_array_equal(best.get_xdata(), [1, 2, 3])


def bars(figure: Figure, panel: int = 0) -> dict[str, float]:
    axes = figure.axes[panel]
    names = [label.get_text() for label in axes.get_yticklabels()]
    return dict(zip(names, [bar.get_width() for bar in axes.patches], strict=True))


def test_importance_is_the_rates_where_nothing_else_matters() -> None:
    found = bars(result(max_trials=60).plot.importance())
    assert list(found) == sorted(found, key=found.__getitem__)
    assert list(found)[-1] == "rate"
    assert found["rate"] > 0.5
    assert sum(found.values()) == pytest.approx(1)


def test_importance_knows_which_end_is_the_best() -> None:
    # Both searches draw the same. Only among the best tenth does one hyperparameter decide.
    least = bars(result(("score", "min"), value_of, max_trials=60).plot.importance())
    most = bars(result(("score", "max"), lambda v: -value_of(v), max_trials=60).plot.importance())
    wrong = bars(result(("score", "max"), value_of, max_trials=60).plot.importance())
    assert most == pytest.approx(least)
    assert wrong != pytest.approx(least)


def test_importance_has_a_panel_for_each_objective() -> None:
    figure = result(TWO, two, max_trials=10).plot.importance()
    assert [axes.get_xlabel() for axes in figure.axes] == ["importance for loss", "importance for seconds"]


def test_slices_have_the_users_values(searched: SearchResult) -> None:
    figure = searched.plot.slice()
    panels = {axes.get_xlabel(): axes for axes in figure.axes}
    assert {"rate", "kind", "width", "shift"} <= set(panels)
    values = [trial.values[0] for trial in searched.trials]
    for name in ("rate", "shift"):
        drawn = [trial.hyperparameters[name] for trial in searched.trials]
        np.testing.assert_allclose(panels[name].collections[0].get_offsets(), np.column_stack([drawn, values]))
    assert panels["rate"].get_xscale() == "log"
    assert [label.get_text() for label in panels["kind"].get_xticklabels()] == ["plain", "wide"]
    having = [trial for trial in searched.trials if trial.hyperparameters["kind"] == "wide"]
    assert 0 < len(having) < len(values)
    np.testing.assert_array_equal(
        panels["width"].collections[0].get_offsets(), [(t.hyperparameters["width"], t.values[0]) for t in having]
    )


def test_parallel_lines_pass_by_what_a_trial_does_not_have(searched: SearchResult) -> None:
    axes = searched.plot.parallel().axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["rate", "kind", "shift", "width", "loss"]
    solid = [each for each in axes.lines if each.get_linestyle() == "-" and len(each.get_xdata()) == 5]
    assert len(solid) == len(searched.trials)
    gaps = [bool(np.isnan(each.get_ydata()[3])) for each in solid]
    assert sum(gaps) == sum("width" not in trial.hyperparameters for trial in searched.trials)
    # The best is drawn last, and ends at the least loss.
    assert solid[-1].get_color() == BEST
    assert solid[-1].get_ydata()[-1] == 0
    lowest = min(trial.hyperparameters["rate"] for trial in searched.trials)
    assert f"{lowest:.3g}" in [text.get_text() for text in axes.texts]


def test_contour_takes_the_two_of_most_importance_or_those_named(searched: SearchResult) -> None:
    most = list(bars(searched.plot.importance()))[-2:]
    axes = searched.plot.contour().axes[0]
    assert {axes.get_xlabel(), axes.get_ylabel()} == set(most)
    axes = searched.plot.contour(["shift", "rate"]).axes[0]
    assert {axes.get_xlabel(), axes.get_ylabel()} == {"shift", "rate"}
    low, high = axes.get_xlim() if axes.get_xlabel() == "shift" else axes.get_ylim()
    assert 70 < low < high < 130  # What was meant, not the quantile that was drawn.


def test_pareto_shows_the_objectives_of_all() -> None:
    axes = result(TWO, two, max_trials=6).plot.pareto().axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("loss", "seconds")
    assert sum(len(each.get_offsets()) for each in axes.collections) == 6


def test_names_tell_conditions_only_where_they_must() -> None:
    def build(hp: kt.HyperParameters) -> Any:
        hp.Choice("kind", ["plain", "wide"])
        for kind, most in (("plain", 4), ("wide", 9)):
            with hp.conditional_scope("kind", [kind]):
                hp.Int("depth", 1, most)
        hp.Float("decay", 0.9, 0.999, sampling="reverse_log")

    made = oracle(max_trials=6)
    while (trial := made.create_trial("here")).status != "STOPPED":
        build(trial.hyperparameters)
        report(made, trial, 1.0, 1)
        made.end_trial(trial)
    space = made.space()
    names = {"rate", "kind", "shift", "width", "depth [kind=plain]", "depth [kind=wide]", "decay"}
    assert set(display_names(space).values()) == names
    copy = readable_study(made.best(), space, {0: made.study.direction})
    meant = [space.values(trial.params)["decay"] for trial in made.best()]
    assert [trial.params["decay"] for trial in copy.trials] == meant
    drawn = readable_study(made.best(), space, {0: made.study.direction}, as_drawn=True)
    assert [trial.params["decay"] for trial in drawn.trials] == pytest.approx([1.899 - value for value in meant])


def test_lost_trials_are_left_out() -> None:
    made = run(oracle(max_trials=3))
    made.max_trials = 4
    made.abandon(made.create_trial("here"))
    figure = SearchResult(SimpleNamespace(oracle=made)).plot.history()
    assert len(line(figure, "completed").get_xdata()) == 3


def one() -> SearchResult:
    return result(max_trials=1)


def none() -> SearchResult:
    return result(max_trials=2, value=lambda _: math.nan)


ERRORS = [
    (none, "history", "history must have at least 1 trial that completed; received 0"),
    (one, "importance", "importance must have at least 2 trials that completed; received 1"),
    (one, "slice", "slice must have at least 2"),
    (one, "parallel", "parallel must have at least 2"),
    (one, "contour", "contour must have at least 2"),
    (one, "pareto", r"pareto must have a search of 2 or 3 objectives; received \['loss'\]"),
]


@pytest.mark.parametrize(("search", "picture", "error"), ERRORS, ids=[name for _, name, _ in ERRORS])
def test_what_makes_no_sense_is_said(search: Callable, picture: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        getattr(search().plot, picture)()


def test_pictures_of_nothing_are_refused() -> None:
    empty = SearchPlots(SearchResult(SimpleNamespace(oracle=oracle())))
    with pytest.raises(ValueError, match="learning_curves must have a trial that reported a finite loss"):
        empty.learning_curves()
    fixed = result(hyperparameters=None, value=lambda _: 1.0, max_trials=2)
    with pytest.raises(ValueError, match="importance must have a search that varied something"):
        fixed.plot.importance()


@pytest.mark.parametrize(
    ("params", "error"),
    [
        (["rate"], "must be two hyperparameters of"),
        ("rate", "must be two hyperparameters of"),
        (["rate", "rate"], "must be two hyperparameters of"),
        (["rate", "shiftt"], r"received 'shiftt'; did you mean shift\?"),
    ],
)
def test_contour_names_are_checked(searched: SearchResult, params: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        searched.plot.contour(params)
