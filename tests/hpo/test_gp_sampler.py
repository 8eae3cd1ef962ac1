"""The sampler in studies: what it proposes, and that it depends on the seed and the trials alone."""

import itertools
import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from keras_neural_opt.hpo import GaussianProcessSampler
from keras_neural_opt.hpo._gp import GaussianProcess, Kernel
from keras_neural_opt.hpo._gp_search import Acquisition
from keras_neural_opt.hpo._gp_space import ConditionalSpace, Parameter
from keras_neural_opt.hpo._gp_values import losses, warped

pytestmark = pytest.mark.backend_free

optuna.logging.set_verbosity(optuna.logging.ERROR)


def study(sampler=None, **arguments):
    return optuna.create_study(sampler=sampler or GaussianProcessSampler(seed=0), **arguments)


def bowl(trial):
    x, units = trial.suggest_float("x", 1e-4, 1.0, log=True), trial.suggest_int("units", 8, 64, step=8)
    return (math.log10(x) + 2) ** 2 + (units / 32 - 1) ** 2 + (trial.suggest_categorical("f", ["a", "b"]) == "b")


def test_it_finds_the_bottom_of_a_bowl():
    found = study()
    found.optimize(bowl, n_trials=30)
    # Of 16 cells of the discrete ones, the best; beside it the next costs 1/16.
    assert found.best_params["units"] == 32
    assert found.best_params["f"] == "a"
    assert found.best_value < 1e-3


def test_the_direction_is_heeded():
    found = study(direction="maximize")
    found.optimize(lambda trial: -bowl(trial), n_trials=30)
    mirror = study()
    mirror.optimize(bowl, n_trials=30)
    assert [t.params for t in found.trials] == [t.params for t in mirror.trials]


def test_a_new_sampler_goes_on_as_the_old_one_would_have(tmp_path):
    storage = f"sqlite:///{tmp_path}/study.db"
    whole, parts = study(), study(storage=storage, study_name="s")
    whole.optimize(bowl, n_trials=16)
    for count in (4, 9, 3):
        parts = optuna.load_study(study_name="s", storage=storage, sampler=GaussianProcessSampler(seed=0))
        parts.optimize(bowl, n_trials=count)
    assert [t.params for t in whole.trials] == [t.params for t in parts.trials]
    other = study(GaussianProcessSampler(seed=1))
    other.optimize(bowl, n_trials=1)
    assert other.trials[0].params != whole.trials[0].params


def test_a_finite_space_is_tried_out_before_anything_is_tried_again():
    def value(trial):
        return trial.suggest_int("a", 0, 3) + trial.suggest_categorical("b", ["u", "v", "w"]).count("u")

    found = study(GaussianProcessSampler(seed=3, n_startup=5))
    found.optimize(value, n_trials=14)
    tried = [tuple(t.params.values()) for t in found.trials]
    assert set(tried[:12]) == set(itertools.product(range(4), "uvw"))


def test_what_runs_is_not_proposed_again():
    found = study(GaussianProcessSampler(seed=0, n_startup=3))
    found.optimize(lambda t: t.suggest_int("a", 0, 7) / 8, n_trials=4)
    running = [found.ask() for _ in range(4)]
    asked = [t.params["a"] for t in found.trials[:4]] + [t.suggest_int("a", 0, 7) for t in running]
    assert sorted(asked) == list(range(8))


def test_a_space_of_continuous_numbers_spreads_what_runs():
    found = study()
    found.optimize(lambda t: (t.suggest_float("x", 0, 1) - 0.3) ** 2 + t.suggest_float("y", 0, 1), n_trials=12)
    first, second = (
        np.array([t.suggest_float("x", 0, 1), t.suggest_float("y", 0, 1)]) for t in (found.ask(), found.ask())
    )
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize("mark", ["pruned", "failed", "infinite"])
def test_what_diverged_repels(mark):
    """Half of the space diverges; the good value lies at its border."""

    def value(trial):
        x = trial.suggest_float("x", 0, 1)
        if x < 0.5:
            return x
        trial.set_user_attr("diverged", True)
        if mark == "pruned":
            trial.report(math.nan, 1)
            raise optuna.TrialPruned
        return math.inf if mark == "infinite" else math.nan

    found = study(GaussianProcessSampler(seed=0, n_startup=6))
    found.optimize(value, n_trials=20)
    last = [t.params["x"] for t in found.trials[6:]]
    assert sum(x >= 0.5 for x in last) <= 2
    assert found.best_value < 0.01


def test_one_huge_loss_leaves_the_order_and_the_differences_of_the_others():
    values = np.array([0.1, 0.2, 0.3, 0.5, 0.4, 1e6, 0.6])
    changed = warped(values)
    assert (np.argsort(changed) == np.argsort(values)).all()
    assert changed.max() - changed.min() < 6
    # The good half is only shifted and scaled.
    good = changed[values <= 0.4]
    np.testing.assert_allclose(np.diff(np.sort(good)), np.diff(np.sort(good))[0])
    np.testing.assert_allclose([changed.mean(), changed.std()], [0, 1], atol=1e-12)
    assert not warped(np.full(4, 3.0)).any()


def trial(value=None, reports=(), state=TrialState.COMPLETE, **more):
    return create_trial(
        state=state, value=value, intermediate_values=dict(enumerate(reports, 1)), user_attrs=more.get("attributes", {})
    )


def test_a_pruned_trial_counts_by_its_rank_at_the_step_where_it_stopped():
    known = [trial(0.1, [0.8, 0.4, 0.1]), trial(0.3, [0.9, 0.6, 0.3]), trial(0.5, [1.0, 0.9, 0.5])]
    minimize = [optuna.study.StudyDirection.MINIMIZE]

    def loss(*reports):
        return losses([*known, trial(reports=reports, state=TrialState.PRUNED)], minimize)[-1, 0]

    assert loss(0.95, 0.75) == pytest.approx(0.4)  # midway between the second and the third
    assert loss(0.05) == pytest.approx(0.1)  # no better than the best, however good it looked
    assert loss() == loss(math.nan) == pytest.approx(0.5)  # nothing known: the worst
    assert losses([trial(reports=[0.7], state=TrialState.PRUNED), trial(0.2)], minimize)[0, 0] == pytest.approx(0.7)


def test_a_pruned_trial_worse_than_all_that_were_finished_is_worse_by_as_much():
    trials = [
        create_trial(values=[0.1], intermediate_values={0: 1.0, 1: 0.1}, state=TrialState.COMPLETE),
        *(create_trial(intermediate_values={0: x}, state=TrialState.PRUNED) for x in (0.5, 1.0, 1.5, 3.0)),
    ]
    minimize = [optuna.study.StudyDirection.MINIMIZE]
    assert losses(trials, minimize)[:, 0].tolist() == pytest.approx([0.1, 0.1, 0.1, 0.6, 2.1])


@pytest.mark.parametrize("followed", [True, False])
def test_of_a_training_that_went_on_the_last_trial_says_it_all(followed):
    def proposal(report):
        search = study(GaussianProcessSampler(seed=0, n_startup=2))
        space = {"x": FloatDistribution(0.0, 1.0)}
        paused = {"state": TrialState.PRUNED, "intermediate_values": {0: report}}
        went_on = {"value": 0.2, "user_attrs": {"kno:follows": 2} if followed else {}}
        for x, rest in [(0.9, {"value": 1.0}), (0.2, {"value": 0.3}), (0.5, paused), (0.5, went_on)]:
            search.add_trial(create_trial(params={"x": x}, distributions=space, **rest))
        return search.ask(space).params["x"]

    assert (proposal(0.01) == proposal(9.0)) is followed


def test_categories_alone_can_be_searched():
    names = [f"p{i}" for i in range(8)]
    found = study()
    found.optimize(lambda t: -sum(t.suggest_categorical(n, ["a", "b", "c", "d"]) == "c" for n in names), n_trials=45)
    # A random trial has two right on average; 45 of them have five at best.
    assert found.best_value <= -7


def test_what_is_inactive_is_neither_proposed_nor_told_apart():
    def value(trial):
        if trial.suggest_categorical("kind", ["line", "curve", "flat"]) == "line":
            return abs(trial.suggest_float("slope", -1, 1) - 0.25)
        if trial.params["kind"] == "curve":
            return 1 + trial.suggest_int("degree", 1, 9) / 9
        return 2.0

    found = study()
    found.optimize(value, n_trials=35)
    assert found.best_value < 0.01
    assert len([t for t in found.trials if t.params == {"kind": "flat"}]) < 10
    space = ConditionalSpace(
        {
            "kind": CategoricalDistribution(["line", "curve", "flat"]),
            "slope": FloatDistribution(-1, 1),
            "degree": IntDistribution(1, 9),
        },
        [t.params for t in found.trials],
    )
    points = np.array([[0, 0.7, 0.5], [0, 0.7, 0.9], [1, 0.1, 0.5], [2, 0.3, 0.1]])
    assert [set(space.decode(p)) for p in points] == [{"kind", "slope"}] * 2 + [{"kind", "degree"}, {"kind"}]
    same = space.canonical(points)
    assert (same[0] == same[1]).all()
    assert (space.encode({"kind": "flat"}) == same[3]).all()


@pytest.mark.parametrize(
    "distribution",
    [
        FloatDistribution(-2.0, 3.0),
        FloatDistribution(1e-5, 1.0, log=True),
        FloatDistribution(0.0, 1.0, step=0.25),
        IntDistribution(-3, 12, step=3),
        IntDistribution(1, 1000, log=True),
        IntDistribution(0, 10**9),
        CategoricalDistribution(["a", None, 3, 0.5]),
    ],
)
def test_a_value_comes_back_from_its_column(distribution):
    parameter = Parameter(distribution)
    drawn = parameter.column.from_uniform(np.random.default_rng(0).random(300))
    values = [parameter.decode(u) for u in drawn]
    assert all(distribution._contains(distribution.to_internal_repr(v)) for v in values)
    back = [parameter.decode(parameter.encode(v)) for v in values]
    if isinstance(distribution, CategoricalDistribution):
        assert back == values
    else:
        np.testing.assert_allclose(np.array(back, float), np.array(values, float), rtol=1e-9, atol=1e-9)
    assert (
        len(set(values)) > 200
        or set(values) == {parameter.decode(u) for u in parameter.column.levels}
        or (isinstance(distribution, IntDistribution) and distribution.log)
    )


def test_two_objectives_get_a_front_along_which_neither_is_forgotten():
    found = study(directions=["minimize", "maximize"])

    def value(trial):
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        return x * x + y, -((1 - x) ** 2) - y

    found.optimize(value, n_trials=45)
    front = sorted(t.values[0] for t in found.best_trials)
    # On the front y is 0: f1 = x^2 runs from 0 to 1.
    assert len(front) >= 10
    assert front[0] < 0.1
    assert front[-1] > 0.7
    near = [t for t in found.trials[10:] if t.params["y"] < 0.05]
    assert len(near) > 25


def test_a_constraint_is_learned():
    def value(trial):
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        trial.set_constraint("sum", 1.0 - x - y)
        return x + 2 * y

    found = study()
    found.optimize(value, n_trials=40)
    feasible = [t for t in found.trials if t.constraints["sum"] <= 0]
    # The least feasible value is 1, at x = 1, y = 0; without the constraint it would be 0.
    assert min(t.value for t in feasible) < 1.02
    assert len([t for t in found.trials[10:] if t.constraints["sum"] <= 0]) > 8


def test_the_gradient_of_what_is_maximised_is_that_of_differences():
    rng = np.random.default_rng(0)
    x = rng.random((10, 3))
    kernel = Kernel(np.zeros(3, bool), np.array([4.0, 2.0, 1.0]), 1.3, 1e-3)
    value, constraint = (GaussianProcess(kernel, x, rng.standard_normal(10)) for _ in range(2))
    acquisition, at = Acquisition(value, -0.7, [(constraint, 0.2)]), rng.random(3)
    given = acquisition.with_gradient(at)
    steps = 1e-6 * np.eye(3)
    expected = [(acquisition((at + s)[None])[0] - acquisition((at - s)[None])[0]) / 2e-6 for s in steps]
    assert given[0] == pytest.approx(acquisition(at[None])[0])
    np.testing.assert_allclose(given[1], expected, rtol=1e-5)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"GaussianProcessSampler\.n_startup must be an integer >= 1; received 0"):
        GaussianProcessSampler(n_startup=0)
    with pytest.raises(ValueError, match=r"GaussianProcessSampler\.seed must be None or an integer >= 0; received -1"):
        GaussianProcessSampler(seed=-1)
