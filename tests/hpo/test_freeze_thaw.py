import math

import numpy as np
import pytest
from optuna.trial import TrialState

from keras_neural_opt.hpo import FreezeThaw, OptunaOracle, SearchSpace
from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._gp_curves import CurveModel, Seen, logarithms
from keras_neural_opt.hpo._settings import search_config

pytestmark = pytest.mark.backend_free

EPOCHS = 27
SPACE = [("x", "uniform", 0.0, 1.0)]


def curve(x: float, epoch: int) -> float:
    """Return a loss that is least at 0.8, where it begins worst: only a model of curves is not misled."""
    return 0.01 + (x - 0.8) ** 2 + (0.3 + x) / (epoch + 1)


def steps_of(oracle: OptunaOracle, loss: object, count: int = 10**6) -> list[tuple[float, int, int]]:
    """Search, up to `count` trials; return the configuration, the first and the last epoch of each trial."""
    steps = []
    while len(steps) < count and (trial := oracle.create_trial("here")).status != "STOPPED":
        x, begin = trial.hyperparameters["x"], trial.hyperparameters.initial_epoch
        for epoch in range(begin, EPOCHS):
            told = oracle.update_trial(trial.trial_id, {"loss": loss(x, epoch)}, epoch, epoch + 1 == EPOCHS)
            if told.status == "STOPPED":
                break
        trial.status = told.status if told.status == "STOPPED" else "COMPLETED"
        oracle.end_trial(trial)
        steps.append((x, begin, epoch + 1))
    return steps


def oracle(max_trials: int, **options: object) -> OptunaOracle:
    return OptunaOracle("loss", max_trials, "qmc", FreezeThaw(EPOCHS), SPACE, **{"seed": 1, **options})


def guided(search: OptunaOracle) -> list[bool]:
    return [records.GUIDED in t.user_attrs for t in search.study.trials]


def test_nothing_is_trained_twice_and_each_training_ends_at_a_rung() -> None:
    steps = steps_of(oracle(40), curve)
    assert {end for _, _, end in steps} == {1, 3, 9, 27}
    assert {x: 0 for x, begin, _ in steps if begin == 0}.keys() == {x for x, _, _ in steps}
    for x in {x for x, _, _ in steps}:
        spans = [(begin, end) for each, begin, end in steps if each == x]
        assert [begin for begin, _ in spans] == [0, *(end for _, end in spans[:-1])]


def test_a_model_of_the_curves_finds_what_begins_badly() -> None:
    search = oracle(40)
    steps_of(search, curve)
    assert search.get_best_trials()[0].hyperparameters["x"] == pytest.approx(0.8, abs=0.03)
    # Halving alone is misled: after one epoch the best are small.
    halved = OptunaOracle("loss", 40, "qmc", "asha", SPACE, seed=1)
    steps_of(halved, curve)
    assert abs(halved.get_best_trials()[0].hyperparameters["x"] - 0.8) > 0.03


def test_the_sampler_begins_and_then_half_of_the_epochs_follow_the_model() -> None:
    search = oracle(60)
    steps = steps_of(search, curve)
    by_model = guided(search)
    begun = np.cumsum([begin == 0 for _, begin, _ in steps])
    assert not any(by_model[: int(np.argmax(begun == 20)) + 1])
    share, last = 0, int(np.argmax(begun == 60))
    for (_, begin, end), model in zip(steps[:last], by_model[:last], strict=True):
        share += (end - begin) if model else begin - end
    assert abs(share) <= EPOCHS


def test_the_search_ends_when_nothing_paused_promises_anything() -> None:
    search = oracle(21)
    steps = steps_of(search, curve)
    trials = search.study.trials
    paused = [t for t in trials if t.state == TrialState.PRUNED]
    assert len(paused) > 5
    assert sum(end - begin for _, begin, end in steps) < 21 * EPOCHS / 2


def test_a_maximum_is_found_as_well() -> None:
    search = OptunaOracle(("loss", "max"), 40, "qmc", FreezeThaw(EPOCHS), SPACE, seed=1)
    steps_of(search, lambda x, epoch: 1.0 - min(curve(x, epoch), 1.0))
    assert search.get_best_trials()[0].hyperparameters["x"] == pytest.approx(0.8, abs=0.03)


def test_what_diverges_is_left_alone() -> None:
    search = oracle(40)
    steps = steps_of(search, lambda x, epoch: math.nan if x > 0.6 else 0.01 + (x - 0.5) ** 2 + 0.3 / (epoch + 1))
    assert all(end == 1 for x, _, end in steps if x > 0.6)
    assert search.get_best_trials()[0].hyperparameters["x"] == pytest.approx(0.5, abs=0.03)
    # It is learned: the model proposes less of it than chance, which is four of ten.
    begun = [x for (x, begin, _), model in zip(steps, guided(search), strict=True) if model and begin == 0]
    assert np.mean(np.array(begun) > 0.62) < 0.3


def test_the_same_seed_makes_the_same_search_also_after_a_stop(tmp_path) -> None:
    whole = steps_of(oracle(35), curve)
    stopped = steps_of(oracle(35, storage=tmp_path / "journal"), curve, 38)
    resumed = steps_of(oracle(35, storage=tmp_path / "journal"), curve)
    assert stopped + resumed == whole
    assert any(begin for _, begin, _ in stopped)


def test_trials_that_report_nothing_are_whole_trainings() -> None:
    search = oracle(30)
    while (trial := search.create_trial("here")).status != "STOPPED":
        search.update_trial(trial.trial_id, {"loss": (trial.hyperparameters["x"] - 0.3) ** 2}, 0, final=True)
        trial.status = "COMPLETED"
        search.end_trial(trial)
    assert search.get_best_trials()[0].hyperparameters["x"] == pytest.approx(0.3, abs=0.02)
    assert len(search.study.trials) == 30


def test_the_model_expects_of_a_curve_what_others_like_it_came_to() -> None:
    grid = np.linspace(0.0, 1.0, 9)
    seen = [Seen({"x": x}, math.log(r) / math.log(27), curve(x, r - 1)) for x in grid for r in (1, 3, 9)]
    seen += [Seen({"x": x}, 1.0, curve(x, 26)) for x in grid[::2]]
    model = CurveModel(SearchSpace(SPACE), seen, [], [{"x": x} for x in grid], [0])
    params, promise = model.best_new()
    assert params["x"] == pytest.approx(0.78, abs=0.08)
    near, far = model.log_improvements([{"x": 0.7}, {"x": 0.1}])
    assert far < near <= promise
    # What already runs there promises less.
    running = CurveModel(SearchSpace(SPACE), seen, [params], [{"x": x} for x in grid], [0])
    assert running.log_improvements([params])[0] < promise - 0.1
    assert model.log_improvements([]) == []


def test_losses_are_seen_in_their_logarithms() -> None:
    assert logarithms(np.array([1.0, math.e, math.inf])) == pytest.approx([0.0, 1.0, 1.0])
    assert logarithms(np.array([-1.0, -0.5, math.nan])) == pytest.approx(np.log([0.001, 0.501, 0.501]))
    assert logarithms(np.array([-2.0, 0.5, math.inf])) == pytest.approx([-2.0, 0.5, 0.5])
    assert logarithms(np.array([math.inf, math.nan])) == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize(
    ("options", "method"),
    [
        ({}, "auto"),
        ({"max_trials": None, "time_limit": 60}, "freeze_thaw"),
        ({"max_trials": 50, "time_limit": 60}, "auto"),
        ({"max_trials": None, "time_limit": 60, "pruner": None}, "auto"),
        ({"max_trials": None, "time_limit": 60, "epochs": 1}, "auto"),
        ({"max_trials": None, "time_limit": 60, "cross_validation": 3}, "auto"),
        ({"max_trials": None, "time_limit": 60, "executions_per_trial": 2}, "auto"),
        ({"max_trials": None, "time_limit": 60, "objective": ["loss", "params"]}, "auto"),
        ({"max_trials": None, "time_limit": 60, "optimization_method": "tpe"}, "tpe"),
    ],
)
def test_freezing_and_thawing_is_the_default_where_time_is_all_there_is(options: dict, method: str) -> None:
    assert search_config(None, {"search_space": SPACE, **options}).method == method


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((0,), r"max_epochs must be an integer >= 1; received 0"),
        ((9, 1, 1), "reduction_factor must be an integer >= 2"),
    ],
)
def test_bad_arguments_are_refused(arguments: tuple, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        FreezeThaw(*arguments)
