"""Searches in which all networks share weights."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import optuna
import pytest

import keras_neural_opt as kno
from keras_neural_opt.hpo import SearchSpace
from keras_neural_opt.nas import OneShot
from keras_neural_opt.nas._shared_weights import FILE, SharedWeights
from keras_neural_opt.nas._task import task_of
from keras_neural_opt.training._data import Data

RNG = np.random.default_rng(0)
X = RNG.normal(size=(256, 4)).astype("float32")
Y = (X[:, 0] * X[:, 1] > 0).astype("int32")
DATA = Data((X[:192], Y[:192]), (X[192:], Y[192:]))
SPACE = kno.nas.mlp([1, 2], [1, 16], "relu", 0.0, True)
NARROW = {"depth": 1, "layer_1_units": 1}
WIDE = {"depth": 2, "layer_1_units": 16, "layer_2_units": 16}


def shared(folder: Path, **options: Any) -> SharedWeights:
    task = task_of(DATA)
    given = {"epochs": 40, "batch_size": 32, "seed": 0, "folder": folder, "verbose": 0}
    return SharedWeights(SPACE, task, DATA, **{**given, **options})


@pytest.mark.slow
def test_one_training_tells_good_networks_from_bad_and_is_read_again(tmp_path: Path) -> None:
    first = shared(tmp_path)
    losses = [first._judged(NARROW), first._judged(WIDE), first._judged(NARROW)]
    # One unit cannot tell the product of two numbers; guessing has ln 2.
    assert losses[0] > 0.6
    assert losses[1] < 0.45
    # What is judged in between changes nothing.
    assert losses[2] == losses[0]
    written = (tmp_path / FILE).read_bytes()
    again = shared(tmp_path, epochs=1)
    assert again.loss(WIDE) == pytest.approx(losses[1], rel=1e-6)
    assert (tmp_path / FILE).read_bytes() == written


@pytest.mark.slow
def test_each_network_has_statistics_of_its_own(tmp_path: Path) -> None:
    weights = shared(tmp_path)
    found = weights.loss(WIDE)
    # The widest has all of the weights.
    alone = SPACE.build(WIDE, (4,), 2)
    alone.set_weights(weights._trained().model.get_weights())
    alone.compile(loss=weights.task.loss)
    weights.loss(NARROW)
    # In the order in which its batches are: the statistics are the means of those of batches.
    kno.training.recalibrate_batch_norm(alone, X[np.random.default_rng(0).permutation(192)])
    assert found == pytest.approx(alone.evaluate(*DATA.validation, verbose=0), rel=1e-5)
    alone.set_weights(weights._trained().model.get_weights())
    assert abs(found - alone.evaluate(*DATA.validation, verbose=0)) > 0.01


@pytest.mark.slow
def test_labels_in_order_change_nothing(tmp_path: Path) -> None:
    order = np.argsort(Y[:192], kind="stable")
    # More than what gives the statistics, so that the first rows are of one class.
    x, y = (np.repeat(part[:192][order], 6, axis=0) for part in (X, Y))
    task = task_of(DATA)
    data = Data((x, y), DATA.validation)
    found = SharedWeights(SPACE, task, data, epochs=8, batch_size=32, seed=0, folder=tmp_path, verbose=0)
    assert found.loss(WIDE) < 0.5 < found.loss(NARROW)
    mixed = np.random.default_rng(1).permutation(len(x))
    data = Data((x[mixed], y[mixed]), DATA.validation)
    # With the same weights, which are read.
    again = SharedWeights(SPACE, task, data, epochs=1, batch_size=32, seed=0, folder=tmp_path, verbose=0)
    assert again.loss(WIDE) == pytest.approx(found.loss(WIDE), abs=0.05)


@pytest.mark.slow
def test_the_seed_decides_and_nothing_is_drawn(tmp_path: Path) -> None:
    losses, drawn = [], []
    for i in range(2):
        keras.utils.set_random_seed(7 + i)
        folder = tmp_path / str(i)
        folder.mkdir()
        losses.append(shared(folder, epochs=2).loss(WIDE))
        drawn.append((np.random.random(), float(keras.ops.convert_to_numpy(keras.random.normal(())))))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    keras.utils.set_random_seed(8)
    assert drawn[1] == (np.random.random(), float(keras.ops.convert_to_numpy(keras.random.normal(()))))


@pytest.mark.slow
def test_the_program_of_all_networks_is_made_once(tmp_path: Path) -> None:
    traced: list[int] = []

    class Counted(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            traced.append(1)
            return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)

    if keras.backend.backend() == "torch":
        pytest.skip("torch runs eagerly: no programs are made")
    task = dataclasses.replace(task_of(DATA), loss=Counted())
    weights = SharedWeights(SPACE, task, DATA, epochs=1, batch_size=32, seed=0, folder=tmp_path, verbose=0)
    weights.loss(NARROW)
    made = len(traced)
    weights.loss(WIDE)
    assert len(traced) == made


@pytest.mark.slow
def test_datasets_train_as_arrays_do(tmp_path: Path) -> None:
    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 6

        def __getitem__(self, i: int) -> Any:
            return X[32 * i : 32 * i + 32], Y[32 * i : 32 * i + 32]

    data = Data(Batches(), DATA.validation)
    task = task_of(data)
    found = SharedWeights(SPACE, task, data, epochs=40, batch_size=7, seed=0, folder=tmp_path, verbose=0)
    assert found.loss(WIDE) < 0.45


def one_shot(folder: Path, **options: Any) -> Any:
    given = {"search_strategy": "one_shot", "performance_predictor": "none", "population_size": 2, "generations": 2}
    kept = {"search_space": SPACE, "seed": 0, "directory": folder, "verbose": 0}
    return kno.neural_architecture_search(DATA.training, DATA.validation, {**given, **kept, **options})


@pytest.mark.slow
def test_one_shot_tries_the_best_by_shared_weights_first(tmp_path: Path) -> None:
    result = one_shot(tmp_path, epochs=5)
    tried = [result.tuner.hypermodel.genotype(trial.hyperparameters) for trial in result.trials]
    weights = shared(tmp_path / "search")
    losses = [weights.loss(genotype) for genotype in tried]
    assert losses == sorted(losses)
    assert len(losses) == 4
    assert [trial.state for trial in result.trials] == ["completed"] * 4


@pytest.mark.slow
@pytest.mark.backend_free
def test_one_shot_judges_each_network_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    monkeypatch.setattr(SharedWeights, "_judged", lambda self, genotype: judged.append(str(genotype)) or len(judged))
    result = one_shot(tmp_path, max_params=170, epochs=1)
    assert [trial.state for trial in result.trials] == ["completed"] * 4
    assert 0 < len(judged) == len(set(judged)) < 6
    assert all(trial.history["params"][0] <= 170 for trial in result.trials)


@pytest.mark.backend_free
def test_one_shot_finds_the_best_in_few_evaluations() -> None:
    space = SearchSpace([(f"g{i}", "categorical", ["a", "b", "c"]) for i in range(8)])
    asked: list[str] = []

    def evaluate(genotype: dict[str, Any]) -> float:
        asked.append(str(genotype))
        return float(sum(value != "c" for value in genotype.values()))

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=OneShot(space, 0, evaluate=evaluate, n_evaluations=250))
    study.optimize(lambda trial: sum(trial.suggest_categorical(f"g{i}", ["a", "b", "c"]) != "c" for i in range(8)), 5)
    values = [trial.value for trial in study.trials]
    assert values == [0.0, 1.0, 1.0, 1.0, 1.0]
    again = optuna.create_study(sampler=OneShot(space, 0, evaluate=evaluate, n_evaluations=250))
    again.add_trials(study.trials[:3])
    again.optimize(lambda trial: sum(trial.suggest_categorical(f"g{i}", ["a", "b", "c"]) != "c" for i in range(8)), 2)
    assert [trial.params for trial in again.trials] == [trial.params for trial in study.trials]
    del asked[250:]
    # Of 6,561, each once.
    assert len(asked) == len(set(asked)) == 250


@pytest.mark.backend_free
def test_one_shot_ends_where_all_was_evaluated() -> None:
    space = SearchSpace({"depth": ("int", 1, 4)})
    sampler = OneShot(space, 0, evaluate=lambda genotype: -genotype["depth"])
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: trial.suggest_int("depth", 1, 4), 5)
    assert [trial.params["depth"] for trial in study.trials[:4]] == [4, 3, 2, 1]


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"evaluate": 3}, r"OneShot\.evaluate must be a function of a genotype; received 3"),
        ({"evaluate": len, "n_evaluations": 0}, r"OneShot\.n_evaluations must be an integer >= 1; received 0"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OneShot({"depth": ("int", 1, 4)}, **options)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("space", "message"),
    [
        (kno.nas.resnet(), r"SearchSpace\.elastic must be given where networks share weights"),
        (kno.nas.mlp(), r"mlp\.activations must be one where networks share weights; received \('relu', 'gelu'"),
        (kno.nas.mobilenet_v3(width=[0.5, 1.0]), r"mobilenet_v3\.width must be one where networks share weights"),
        (kno.nas.mobilenet_v3(kernels=[3, 4]), r"mobilenet_v3\.kernels must be odd where networks share weights"),
        (kno.nas.mobilenet_v3(expansions=[1, 3]), r"mobilenet_v3\.expansions must differ from 1 where networks share"),
    ],
)
def test_spaces_whose_networks_cannot_share_weights_are_refused(space: Any, message: str) -> None:
    images = np.zeros((20, 8, 8, 1), "float32"), np.arange(20) % 2
    with pytest.raises(ValueError, match=message):
        kno.neural_architecture_search(images, None, search_space=space, performance_predictor="weight_sharing")
