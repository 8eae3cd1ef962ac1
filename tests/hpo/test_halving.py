from pathlib import Path

import keras
import keras_tuner as kt
import numpy as np
import optuna
import pytest

from keras_neural_opt.hpo import Hyperband, OptunaOracle, OptunaTuner, SearchSpace, SuccessiveHalving
from keras_neural_opt.hpo._memory import quick_collection

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 2)).astype("float32")
DATA = (X, X.sum(1, keepdims=True))


def build(hp: kt.HyperParameters) -> keras.Model:
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(8), keras.layers.Dropout(0.3), keras.layers.Dense(1)]
    )
    optimizer = keras.optimizers.Adam(hp.Float("rate", 1e-3, 0.3, sampling="log"))
    model.compile(optimizer, "mse", jit_compile=False)
    return model


def run(oracle: OptunaOracle, loss: object, epochs: int) -> dict[str, list[int]]:
    """Search with a function of the configuration and the epoch; return the epochs that each configuration saw."""
    seen: dict[str, list[int]] = {}
    while (trial := oracle.create_trial("here")).status != "STOPPED":
        hp = trial.hyperparameters
        for epoch in range(hp.initial_epoch, epochs):
            seen.setdefault(f"{hp['x']}", []).append(epoch)
            told = oracle.update_trial(trial.trial_id, {"loss": loss(hp["x"], epoch)}, epoch, epoch + 1 == epochs)
            if told.status == "STOPPED":
                break
        trial.status = told.status if told.status == "STOPPED" else "COMPLETED"
        oracle.end_trial(trial)
    return seen


def oracle(pruner: object, max_trials: int) -> OptunaOracle:
    space = [("x", "int", 0, 99)]
    return OptunaOracle("loss", max_trials, "random", pruner, space, seed=1)


def test_the_best_of_each_rung_go_on_and_nothing_is_trained_twice() -> None:
    search = oracle("asha", 27)
    seen = run(search, lambda x, epoch: x / (epoch + 1), 27)
    assert len(seen) == 27
    assert all(epochs == list(range(len(epochs))) for epochs in seen.values())
    lengths = sorted((len(epochs) for epochs in seen.values()), reverse=True)
    assert lengths.count(27) >= 1
    assert sum(n >= 3 for n in lengths) >= 9
    assert sum(n >= 9 for n in lengths) >= 3
    assert set(lengths) == {1, 3, 9, 27}
    # The best of all went all the way, and its value is known.
    best = min(seen, key=int)
    assert len(seen[best]) == 27
    assert search.get_best_trials()[0].hyperparameters["x"] == int(best)


def test_a_search_spends_no_more_than_a_third_of_all_epochs() -> None:
    seen = run(oracle(SuccessiveHalving(1, 3), 81), lambda x, epoch: x / (epoch + 1), 27)
    assert len(seen) == 81
    assert sum(map(len, seen.values())) < 81 * 27 / 3


@pytest.mark.backend_free
@pytest.mark.parametrize("max_trials", [1, 2, 4])
def test_no_search_ends_without_a_training_that_is_whole(max_trials: int) -> None:
    oracle = OptunaOracle("loss", max_trials, "random", "asha", [("x", "int", 0, 99)], seed=1)
    run(oracle, lambda x, epoch: x / (epoch + 1), 9)
    whole = [t.params["x"] for t in oracle.study.trials if t.state.name == "COMPLETE"]
    assert whole == [min(t.params["x"] for t in oracle.study.trials)]


@pytest.mark.backend_free
def test_where_the_best_diverges_later_another_goes_on() -> None:
    oracle = OptunaOracle("loss", 3, "random", "asha", [("x", "int", 1, 3)], seed=1)
    run(oracle, lambda x, epoch: np.nan if x == 1 and epoch else x / (epoch + 1), 9)
    (whole,) = [t for t in oracle.study.trials if t.state.name == "COMPLETE"]
    assert whole.params["x"] == 2


@pytest.mark.backend_free
def test_a_sampler_may_be_made_of_the_seed_and_the_space() -> None:
    told = []

    def made(seed: int, space: SearchSpace) -> optuna.samplers.BaseSampler:
        told.append((seed, space.names))
        return optuna.samplers.RandomSampler(seed)

    oracle = OptunaOracle("loss", 1, made, None, [("x", "int", 0, 99)], seed=7)
    assert oracle.create_trial("here").hyperparameters["x"] in range(100)
    assert told[-1] == (7, ["x"])


def test_brackets_begin_higher_and_are_fewer() -> None:
    hyperband = Hyperband(27)
    brackets = [hyperband.bracket_of(place) for place in range(98)]
    assert [brackets[:49].count(b) for b in range(4)] == [27, 12, 6, 4]
    assert brackets[:49] == brackets[49:]
    seen = run(oracle(hyperband, 49), lambda x, epoch: x / (epoch + 1), 27)
    assert sum(len(epochs) == 27 for epochs in seen.values()) >= 4 + 2 + 1 + 1
    assert all(epochs == list(range(len(epochs))) for epochs in seen.values())


def test_what_diverges_never_goes_on() -> None:
    seen = run(oracle("asha", 27), lambda x, epoch: float("nan") if x < 50 else x, 27)
    assert all(len(epochs) == 1 for x, epochs in seen.items() if int(x) < 50)
    assert max(map(len, seen.values())) == 27


def test_another_process_lets_them_go_on(tmp_path: Path) -> None:
    def made(max_trials: int) -> OptunaOracle:
        return OptunaOracle("loss", max_trials, "random", "asha", [("x", "int", 0, 99)], seed=1, storage=tmp_path / "j")

    run(made(5), lambda x, epoch: x / (epoch + 1), 9)
    before = len(made(5).study.trials)
    seen = run(made(9), lambda x, epoch: x / (epoch + 1), 9)
    # What was paused before goes on from its rung.
    assert any(
        epochs[0] > 0 and int(x) in [t.params["x"] for t in made(9).study.trials[:before]] for x, epochs in seen.items()
    )


class Losses(keras.callbacks.Callback):
    """Notes the loss of each epoch of a rate, of all its trials, where no state of a training brings it back."""

    def __init__(self, of: dict[str, list[float]]) -> None:
        super().__init__()
        self.note = lambda rate, loss: of.setdefault(rate, []).append(loss)

    def __deepcopy__(self, memo: object) -> "Losses":
        return self

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        rate = f"{float(self.model.optimizer.learning_rate):.6g}"
        self.note(rate, logs["loss"])


def ours(directory: Path, noted: dict[str, list[float]], shuffle: bool, **options: object) -> None:
    tuner = OptunaTuner(build, "val_loss", sampler="random", directory=directory, seed=1, **options)
    tuner.search(
        *DATA, validation_data=DATA, epochs=9, batch_size=8, verbose=0, callbacks=[Losses(noted)], shuffle=shuffle
    )


@pytest.mark.slow
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_training_that_goes_on_is_the_one_that_was_never_paused(shuffle: bool, tmp_path: Path) -> None:
    paused: dict[str, list[float]] = {}
    whole: dict[str, list[float]] = {}
    ours(tmp_path / "paused", paused, shuffle, max_trials=4, pruner="asha")
    ours(tmp_path / "whole", whole, shuffle, max_trials=4, pruner=None)
    assert max(map(len, paused.values())) >= 3
    for rate, losses in paused.items():
        assert losses == whole[rate][: len(losses)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.xfail(
    strict=True, reason="T9: KerasTuner's Hyperband goes on from the weights alone, with a new optimizer"
)
def test_t9_kerastuner_goes_on_with_all_that_a_training_is(tmp_path: Path) -> None:
    iterations = []

    class Steps(keras.callbacks.Callback):
        def __deepcopy__(self, memo: object) -> "Steps":
            return self

        def on_train_begin(self, logs: dict | None = None) -> None:
            iterations.append((self.params["epochs"], int(self.model.optimizer.iterations)))

    tuner = kt.Hyperband(build, "val_loss", max_epochs=4, factor=2, seed=1, directory=tmp_path, project_name="p")
    with quick_collection():
        tuner.search(*DATA, validation_data=DATA, batch_size=8, verbose=0, callbacks=[Steps()])
    went_on = [steps for epochs, steps in iterations if epochs == 4]
    assert min(went_on) > 0


def test_several_executions_cannot_be_paused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"executions_per_trial must be 1 with successive halving"):
        OptunaTuner(build, "val_loss", pruner="asha", executions_per_trial=2, directory=tmp_path / "new")
    with pytest.raises(ValueError, match=r"pruner must be None for several objectives"):
        OptunaOracle(["loss", "params"], pruner="asha")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: SuccessiveHalving(0), "SuccessiveHalving.min_epochs must be an integer >= 1; received 0"),
        (lambda: SuccessiveHalving(1, 1), "reduction_factor must be an integer >= 2; received 1"),
        (lambda: Hyperband(2, 3), "Hyperband.max_epochs must be an integer >= 3; received 2"),
    ],
)
def test_bad_arguments_are_refused(make: object, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        make()
