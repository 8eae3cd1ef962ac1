"""The strategies as samplers: what each proposes, and that it depends on the seed and the other trials alone."""

import json

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from keras_neural_opt.hpo import OptunaOracle, SearchSpace
from keras_neural_opt.hpo._records import LOST
from keras_neural_opt.nas import AgingEvolution, BayesianEvolution, LocalSearch, RandomSearch, recommended
from keras_neural_opt.nas._genes import canonical, distance, mutate, sample
from keras_neural_opt.nas._nsga_ii import crowded_order, crowding_distance, front_of_each
from keras_neural_opt.nas._strategies import STRATEGIES
from tests.hpo.searches import run
from tests.oracles.aging_evolution import aging_evolution

pytestmark = pytest.mark.backend_free

optuna.logging.set_verbosity(optuna.logging.ERROR)

FLAT = SearchSpace([(f"g{i}", "categorical", ["a", "b", "c"]) for i in range(6)])
CELL = SearchSpace(
    [
        ("depth", "int", 1, 3),
        *((f"kernel_{i}", "categorical", [3, 5, 7], {"when": ("depth", list(range(i, 4)))}) for i in range(1, 4)),
        ("squeeze", "boolean", {"when": [("depth", 3), ("kernel_3", [5, 7])]}),
    ]
)
NETWORKS = 3 + 9 + 9 * (1 + 2 + 2)  # of CELL
# `one_shot` learns nothing from trials: test_shared_weights.py
NAMES = [name for name in STRATEGIES if name not in ("auto", "one_shot")]
MINIMIZE = ["minimize"]


def drawn(trial, space):
    values = {}
    for gene in space:
        if gene.counts(values):
            values[gene.name] = trial._suggest(gene.key, gene.distribution)
    return values


def loss(genotype):
    """What is least, at 0, where every categorical gene is the last of its values."""
    return sum(value not in ("c", 7, 3, True) for value in genotype.values()) + 0.01 * len(genotype)


def searched(sampler, count, value=loss, directions=MINIMIZE, **options):
    study = optuna.create_study(sampler=sampler, directions=directions, **options)
    study.optimize(lambda trial: value(drawn(trial, sampler.space)), n_trials=count)
    return study


def params_of(study):
    return [trial.params for trial in study.trials]


def two(genotype):
    return loss(genotype), -len(genotype) - loss(genotype) ** 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_is_tried_twice_before_all_was_tried(name, seed):
    study = searched(STRATEGIES[name](CELL, seed), NETWORKS)
    tried = {json.dumps(params, sort_keys=True) for params in params_of(study)}
    assert len(tried) == NETWORKS
    assert all(canonical(CELL, params) == params for params in params_of(study))
    # All was tried: it goes on all the same.
    study.optimize(lambda trial: loss(drawn(trial, CELL)), n_trials=1)


@pytest.mark.parametrize("name", NAMES)
def test_what_runs_is_not_proposed_again(name):
    study = searched(STRATEGIES[name](CELL, 0), 30)
    running = [drawn(study.ask(), CELL) for _ in range(NETWORKS - 30)]
    tried = {json.dumps(params, sort_keys=True) for params in [*params_of(study)[:30], *running]}
    assert len(tried) == NETWORKS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [loss, two], ids=["one objective", "two"])
def test_a_study_that_is_loaded_again_goes_on_as_it_would_have(name, value, tmp_path):
    directions = MINIMIZE * (2 if value is two else 1)
    whole = searched(STRATEGIES[name](FLAT, 3), 45, value, directions)

    def storage():
        return JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))

    searched(STRATEGIES[name](FLAT, 3), 13, value, directions, storage=storage(), study_name="s")
    for count in (20, 12):
        again = optuna.load_study(study_name="s", storage=storage(), sampler=STRATEGIES[name](FLAT, 3))
        again.optimize(lambda trial: value(drawn(trial, FLAT)), n_trials=count)
    assert params_of(again) == params_of(whole)
    assert params_of(searched(STRATEGIES[name](FLAT, 4), 45, value, directions)) != params_of(whole)


@pytest.mark.parametrize("name", NAMES)
def test_what_has_nothing_to_do_with_it_changes_nothing(name):
    def study_of(turned):
        study = searched(RandomSearch(CELL, 7), 30)
        again = optuna.create_study()
        for trial in study.trials:
            trial.params = dict(sorted(trial.params.items(), reverse=turned))
            trial.distributions = dict(sorted(trial.distributions.items(), reverse=turned))
            again.add_trial(trial)
            if turned:  # Lost ones are no part of the search.
                seen = {"params": trial.params, "distributions": trial.distributions}
                again.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={LOST: "killed"}, **seen))
        again.sampler = STRATEGIES[name](CELL, 5)
        return drawn(again.ask(), CELL)

    assert study_of(turned=False) == study_of(turned=True)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "random"])
def test_a_strategy_finds_more_than_chance(name):
    best, by_chance = (
        [searched(STRATEGIES[each](FLAT, seed), 60).best_value for seed in range(5)] for each in (name, "random")
    )
    # Chance finds all six right in 60 of 729 once in 12 searches.
    assert np.mean(best) < np.mean(by_chance) - 0.3


@pytest.mark.parametrize("name", [name for name in NAMES if name != "random"])
def test_constraints_come_first(name):
    sampler = STRATEGIES[name](FLAT, 0)
    study = optuna.create_study(sampler=sampler)

    def value(trial):
        genotype = drawn(trial, FLAT)
        trial.set_constraint("few", sum(v == "c" for v in genotype.values()) - 3.0)
        return loss(genotype)

    study.optimize(value, n_trials=80)
    last = [trial for trial in study.trials[40:] if trial.constraints["few"] <= 0]
    # Without constraints about half of the last have more than three.
    assert len(last) > 28
    assert min(loss(t.params) for t in last) == pytest.approx(3.06)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "random"])
@pytest.mark.parametrize("failure", ["raised", "not a number"])
def test_what_fails_repels(name, failure):
    def value(genotype):
        if genotype["g0"] != "a":
            return loss(genotype)
        if failure == "raised":
            raise ArithmeticError
        return float("nan")

    failed = 0
    for seed in range(3):
        study = optuna.create_study(sampler=STRATEGIES[name](FLAT, seed))
        study.optimize(lambda trial: value(drawn(trial, FLAT)), n_trials=35, catch=ArithmeticError)
        # Local search begins anew sooner.
        guided = study.trials[10:20] if name == "local" else study.trials[20:35]
        failed += sum(trial.params["g0"] == "a" for trial in guided)
    # By chance a third.
    assert failed <= len(guided) * 3 / 5


def test_aging_evolution_is_that_of_the_paper():
    value = np.random.default_rng(0).standard_normal((6, 3))

    def of(genotype):
        return sum(value[i, "abc".index(v)] for i, v in enumerate(genotype.values()))

    expected = aging_evolution(
        120,
        12,
        4,
        lambda rng: sample(FLAT, rng),
        lambda parent, rng: mutate(FLAT, parent, rng),
        lambda genotype: -of(genotype),
        lambda place: np.random.default_rng([9, place]),
    )
    sampler = AgingEvolution(FLAT, 9, population=12, tournament=4)
    assert params_of(searched(sampler, 120, of)) == expected


def test_the_population_are_the_last_to_end_not_the_last_to_begin():
    sampler = AgingEvolution(FLAT, 0, population=2, tournament=9)
    study = optuna.create_study(sampler=sampler)
    first, second, third = (study.ask() for _ in range(3))
    genotypes = {trial.number: drawn(trial, FLAT) for trial in (first, second, third)}
    # The first to begin ends last: it belongs to the two youngest, and the second, which is the best, does not.
    study.tell(second, 0.0)
    study.tell(third, 2.0)
    study.tell(first, 1.0)
    assert distance(FLAT, drawn(study.ask(), FLAT), genotypes[0]) == 1


def test_local_search_tries_all_neighbours_of_the_best_and_then_begins_anew():
    # Nothing is better than the first of a climb: its six genes have two other values each.
    worse = iter(range(1000))
    study = searched(LocalSearch(FLAT, 0, n_startup=1), 17, lambda genotype: next(worse))
    tried = params_of(study)
    assert [distance(FLAT, tried[0], other) for other in tried[1:13]] == [1] * 12
    assert distance(FLAT, tried[0], tried[13]) > 1
    assert [distance(FLAT, tried[13], other) for other in tried[14:]] == [1] * 3


def test_local_search_moves_on_at_once():
    study = searched(LocalSearch(FLAT, 0, n_startup=5), 40)
    tried = params_of(study)
    best = 5
    for i in range(5, 30):
        best = min(range(i), key=lambda j: loss(tried[j]))
        if loss(tried[best]) < 0.1:
            break
        assert distance(FLAT, tried[best], tried[i]) == 1
    assert loss(tried[best]) < 0.1


def test_a_change_that_makes_genes_active_is_one_change():
    worse = iter(range(100))
    study = searched(LocalSearch(CELL, 4, n_startup=1), 1 + 2 + 2 * 3 + 1 + 1, lambda genotype: next(worse))
    first = study.trials[0].params
    count = 2 + 2 * first["depth"] + ("squeeze" in first)
    near = [t.params for t in study.trials[1 : 1 + count]]
    changes = [{n for n in first.keys() & other.keys() if first[n] != other[n]} for other in near]
    assert all(len(change) == 1 for change in changes)
    assert sum(change == {"depth"} for change in changes) == 2


def test_several_objectives_get_a_front():
    for name in ("nsga2", "bayesian_evolution"):
        value = lambda g: (loss(g), -loss(g) - 3 * (g["g0"] == "c"))  # noqa: E731
        study = searched(STRATEGIES[name](FLAT, 0), 80, value, MINIMIZE * 2)
        front = {tuple(t.values) for t in study.best_trials}
        # With "c" first, the two are at odds: of the six losses from 0 to 5 all are on the front.
        assert len(front) >= 5, name


def test_fronts_and_crowding_are_those_of_the_paper():
    table = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [2.0, 0.0]])
    # The first would dominate all, but breaks a constraint; the second is dominated by the third.
    assert front_of_each(table, np.array([1.0, 0.0, 0.0, 0.0])).tolist() == [2, 1, 0, 0]
    assert front_of_each(table, np.zeros(4)).tolist() == [0, 2, 1, 1]
    front = np.array([[0.0, 8.0], [1.0, 4.0], [4.0, 2.0], [10.0, 0.0]])
    np.testing.assert_allclose(crowding_distance(front), [np.inf, 0.4 + 0.75, 0.9 + 0.5, np.inf])
    assert crowded_order(front, np.zeros(4)).tolist() == [0, 3, 2, 1]


def test_the_recommended_one_is_not_the_luckiest():
    rng = np.random.default_rng(1)
    study = searched(RandomSearch(FLAT, 1), 60, lambda g: 2.0 - (g["g0"] == "c") + 0.3 * rng.standard_normal())
    lucky = dict.fromkeys(FLAT.names, "b")
    study.enqueue_trial(lucky)
    study.optimize(lambda trial: drawn(trial, FLAT) and study.best_value - 0.05, n_trials=1)
    assert study.best_params == lucky
    assert recommended(study, FLAT)["g0"] == "c"


def test_what_failed_or_breaks_constraints_is_not_recommended():
    study = optuna.create_study(sampler=RandomSearch(FLAT, 0))

    def value(trial):
        genotype = drawn(trial, FLAT)
        trial.set_constraint("no c first", float(genotype["g0"] == "c"))
        return loss(genotype) if genotype["g1"] != "c" else float("nan")

    study.optimize(value, n_trials=100)
    chosen = recommended(study, FLAT)
    assert chosen["g0"] != "c"
    assert chosen["g1"] != "c"


@pytest.mark.parametrize("name", NAMES)
def test_the_oracle_takes_a_strategy(name):
    oracle = OptunaOracle("loss", 40, sampler=STRATEGIES[name](CELL, 1), hyperparameters=CELL, pruner=None, seed=1)
    run(oracle, lambda values: loss(values), epochs=1)
    tried = [t.hyperparameters.values for t in oracle.trials.values()]
    assert len({json.dumps(values, sort_keys=True) for values in tried}) == 40
    assert all(canonical(CELL, values) == values for values in tried)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"AgingEvolution\.population must be an integer >= 1; received 0"):
        AgingEvolution(FLAT, population=0)
    with pytest.raises(ValueError, match=r"LocalSearch\.seed must be None or an integer >= 0; received -1"):
        LocalSearch(FLAT, -1)
    with pytest.raises(ValueError, match=r"search_space\.x must be of a finite kind"):
        BayesianEvolution({"x": ("uniform", 0.0, 1.0)})
    with pytest.raises(ValueError, match=r"RandomSearch\.space must have a gene that varies; received \['x'\]"):
        RandomSearch({"x": ("categorical", ["only"])})
    with pytest.raises(ValueError, match="study must have a trial that completed; received none"):
        recommended(optuna.create_study(), FLAT)
