"""The benchmark of architecture searches: its problems have the optima that are claimed, its record what was found."""

import itertools
import json

import numpy as np
import optuna
import pytest

from keras_neural_opt import benchmarks
from keras_neural_opt.benchmarks import _architectures
from keras_neural_opt.benchmarks._architecture_problems import Chain, Macro, Stages
from keras_neural_opt.benchmarks._architectures import suggested
from keras_neural_opt.hpo import SearchSpace
from keras_neural_opt.nas._genes import mutate, sample


def climbed(problem, seed):
    """Return the best mean accuracy where no change of one gene, nor of two neighbours in a chain, helps."""
    rng, space = np.random.default_rng(seed), SearchSpace(problem.space)
    best = sample(space, rng)
    for _ in range(3000):
        other = mutate(space, best, rng)
        other = mutate(space, other, rng) if rng.random() < 0.5 else other
        best = max(best, other, key=problem.mean)
    return problem.mean(best)


@pytest.mark.backend_free
@pytest.mark.parametrize("make", [Chain, Stages])
def test_nothing_is_better_than_the_optimum_and_climbing_reaches_it(make):
    problem = make(3)
    reached = max(climbed(problem, seed) for seed in range(4))
    assert reached <= problem.best + 1e-9
    assert reached > problem.best - 0.1


@pytest.mark.backend_free
@pytest.mark.parametrize("make", [Chain, Stages])
def test_a_training_has_noise_around_the_mean(make):
    problem, rng = make(0), np.random.default_rng(0)
    genotype = sample(SearchSpace(problem.space), rng)
    trained = [problem.trained(genotype, rng) for _ in range(2000)]
    assert np.mean(trained) == pytest.approx(problem.mean(genotype), abs=0.02)
    assert np.std(trained) == pytest.approx(problem.noise, abs=0.02)


@pytest.mark.backend_free
def test_the_table_is_looked_up(shared_data):
    problem, rng = Macro(shared_data), np.random.default_rng(0)
    networks = [
        dict(zip([name for name, *_ in problem.space], values, strict=True))
        for values in itertools.product(range(3), repeat=8)
    ]
    means = [problem.mean(each) for each in networks]
    assert max(means) == problem.best == pytest.approx(93.12666)
    # The smallest network only skips; the largest has the most operations.
    assert problem.cost(networks[0]) == pytest.approx(7.71328)
    assert problem.mean(networks[0]) == pytest.approx((45.32 + 45.33 + 45.44) / 3, abs=1e-4)
    assert max(map(problem.cost, networks)) == pytest.approx(105.660928)
    best = networks[int(np.argmax(means))]
    assert len({problem.trained(best, rng) for _ in range(50)}) == 3


@pytest.mark.backend_free
def test_a_trial_is_asked_for_active_genes_only():
    problem = Stages(0)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trials = [study.ask() for _ in range(20)]
    genotypes = [suggested(trial, problem.space) for trial in trials]
    assert all(len(g) == 5 + 2 * sum(g[f"depth_{s}"] for s in range(5)) for g in genotypes)
    assert [trial.params for trial in trials] == genotypes
    assert len(problem.space) == 45


@pytest.mark.backend_free
def test_the_record_says_what_was_found(shared_data, monkeypatch):
    monkeypatch.setattr(_architectures, "QUERIES", (5, 10, 20))
    monkeypatch.setattr(_architectures, "FRONT_QUERIES", 12)
    steps = []
    names = ["random", "NSGAIISampler"]
    record = json.loads(
        json.dumps(benchmarks.architectures(names, shared_data, advance=lambda: steps.append(1), seeds=2))
    )
    assert len(steps) == _architectures.searches_of(names, 2) == 2 * (3 * 1 + 2)
    assert {(row["problem"], row["strategy"]) for row in record["results"]} == {
        (problem, "random") for problem in ("macro", "chain", "stages")
    }
    for row in record["results"]:
        means = [row["best_observed"][count]["mean"] for count in ("5", "10", "20")]
        assert all(mean >= 0 for mean in means)
    volumes = record["two_objectives"]["hypervolumes"]
    assert {name: len(found) for name, found in volumes.items()} == {"random": 2, "NSGAIISampler": 2}
    assert all(0 < volume < 20 * 106 for found in volumes.values() for volume in found)
    assert all(0 < row["seconds"] < 5 for row in record["cpu_seconds_of_a_proposal"])


@pytest.mark.backend_free
def test_bad_arguments_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"architectures\.names must be one of .*'local'.*; did you mean local"):
        benchmarks.architectures(["loca"], tmp_path)
    with pytest.raises(ValueError, match=r"architectures\.seeds must be an integer >= 1; received 0"):
        benchmarks.architectures(seeds=0)
    with pytest.raises(FileNotFoundError, match=r"the problem needs a folder with nas_bench_macro.npz"):
        benchmarks.architectures(data=tmp_path)
