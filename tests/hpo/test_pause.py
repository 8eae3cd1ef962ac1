import threading
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import pytest

from keras_neural_opt.hpo import HalvedStart, OptunaOracle, OptunaTuner, SuccessiveHalving
from tests.hpo.small import DATA, build, line

pytestmark = pytest.mark.slow
X, Y = DATA
# After two epochs the better of two goes on, to the end.
PAUSING = HalvedStart(2, 2, 8)


def rates(hp: kt.HyperParameters) -> keras.Model:
    return line(hp.Choice("rate", [0.1, 0.01]))


def tuner(directory: Path, hypermodel: Any = rates, pruner: Any = PAUSING, **options: Any) -> OptunaTuner:
    return OptunaTuner(hypermodel, "loss", 2, sampler="random", pruner=pruner, directory=directory, seed=1, **options)


class Losses(keras.callbacks.Callback):
    """Notes which epochs are trained, wherever; nobody copies it."""

    def __init__(self, noted: list[tuple[float, int]]) -> None:
        super().__init__()
        self.note = lambda *what: noted.append(what)

    def __deepcopy__(self, memo: object) -> "Losses":
        return self

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.note(round(float(self.model.optimizer.learning_rate), 6), epoch)


def epochs_of(directory: Path, pruner: Any, **options: Any) -> list[tuple[float, int]]:
    noted: list[tuple[float, int]] = []
    callbacks = [*options.pop("callbacks", []), Losses(noted)]
    search = tuner(directory, pruner=pruner)
    search.search(*DATA, epochs=8, verbose=0, callbacks=callbacks, **options)
    return noted


def test_a_patience_goes_on_where_a_training_does(tmp_path: Path) -> None:
    # Nothing is ever better by as much, so each training ends after its patience, which begins before the pause.
    def stop() -> list[Any]:
        return [keras.callbacks.EarlyStopping("loss", min_delta=1e3, patience=4)]

    whole = epochs_of(tmp_path / "whole", None, callbacks=stop())
    paused = epochs_of(tmp_path / "paused", PAUSING, callbacks=stop())
    assert sorted(whole) == sorted([(rate, epoch) for rate in (0.1, 0.01) for epoch in range(5)])
    assert paused == [*paused[:4], (0.1, 2), (0.1, 3), (0.1, 4)]


def test_a_rate_that_was_lowered_stays_so(tmp_path: Path) -> None:
    def lower() -> list[Any]:
        return [keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, min_delta=1e3, patience=3)]

    whole = [rate for rate, _ in epochs_of(tmp_path / "whole", None, callbacks=lower())]
    paused = [rate for rate, _ in epochs_of(tmp_path / "paused", PAUSING, callbacks=lower())]
    of_the_better = whole[:8] if whole[0] == 0.1 else whole[8:]
    assert paused[4:] == of_the_better[2:]
    assert len(set(paused[4:])) >= 2


class Opens(keras.callbacks.Callback):
    """Has things of its own that no file can hold, and that it makes anew whenever a `fit` begins."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = self.lock = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.seen, self.lock = set(), threading.Lock()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        with self.lock:
            self.seen.add(epoch)


def test_callbacks_that_open_something_do_so_anew(tmp_path: Path) -> None:
    search = tuner(tmp_path)
    callbacks = [Opens(), keras.callbacks.CSVLogger(str(tmp_path / "log.csv"), append=True)]
    search.search(*DATA, epochs=8, verbose=0, callbacks=callbacks)
    assert [t.state.name for t in search.oracle.study.trials] == ["PRUNED", "PRUNED", "COMPLETE"]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1 + 2 + 2 + 6


class OwnLoop(keras.Sequential):
    """Has a loop of its own, which nobody can pause."""

    def fit(self, *args: Any, initial_epoch: int = 0, **kwargs: Any) -> Any:
        return super().fit(*args, **kwargs)


def own_loop(hp: kt.HyperParameters) -> keras.Model:
    model = OwnLoop([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 0.001, 0.1, sampling="log")), "mse")
    return model


def test_by_default_a_model_with_a_loop_of_its_own_is_trained_whole(tmp_path: Path) -> None:
    search = OptunaTuner(own_loop, "loss", 30, sampler="tpe", directory=tmp_path, seed=1)
    assert search.oracle.pauses
    search.search(*DATA, epochs=2, verbose=0)
    assert {t.user_attrs.get("kno:reason") for t in search.oracle.study.trials} <= {None, "pruned"}
    assert len(search.oracle.get_best_trials(30)) >= 5


def test_a_search_that_is_continued_pauses_if_it_did_so_before(tmp_path: Path) -> None:
    def made(name: str, **options: Any) -> OptunaTuner:
        return OptunaTuner(build, "loss", **{"sampler": "tpe", "seed": 1, **options}, directory=tmp_path / name)

    def begun(name: str, **options: Any) -> None:
        search = made(name, **options)
        for _ in range(3):
            trial = search.oracle.create_trial("here")
            told = search.oracle.update_trial(trial.trial_id, {"loss": 1.0}, 0)
            trial.status = told.status if told.status == "STOPPED" else "COMPLETED"
            search.oracle.end_trial(trial)

    begun("paused", max_trials=40)
    assert made("paused", max_trials=20).oracle.pauses
    assert made("paused", max_trials=40, time_limit=60.0).oracle.pauses
    begun("whole", max_trials=20)
    assert not made("whole", max_trials=40).oracle.pauses


def test_an_initial_epoch_of_the_user_is_where_trainings_begin(tmp_path: Path) -> None:
    noted = epochs_of(tmp_path, PAUSING, initial_epoch=3)
    assert [epoch for _, epoch in noted] == [3, 4, 3, 4, 5, 6, 7]


class Forgetful(kt.HyperModel):
    """Trains from the first epoch, whatever it is told."""

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        return rates(hp)

    def fit(self, hp: kt.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("initial_epoch", None)
        return model.fit(*args, **kwargs)


def test_a_fit_that_would_train_again_what_was_trained_is_refused(tmp_path: Path) -> None:
    noted: list[tuple[float, int]] = []
    with pytest.raises(kt.errors.FatalRuntimeError, match=r"must hand initial_epoch to .* at epoch 0 instead of 2"):
        tuner(tmp_path, Forgetful()).search(*DATA, epochs=8, verbose=0, callbacks=[Losses(noted)])
    assert [epoch for _, epoch in noted] == [0, 1, 0, 1]


class Deaf(kt.HyperModel):
    """Trains to the end, whatever it is told."""

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        return rates(hp)

    def fit(self, hp: kt.HyperParameters, model: keras.Model, *, callbacks: list[Any], **kwargs: Any) -> None:
        told = keras.callbacks.CallbackList(callbacks, model=model)
        for epoch in range(4):
            model.stop_training = False
            told.on_epoch_end(epoch, {"loss": model.train_on_batch(X, Y)})


def test_a_loop_that_does_not_stop_is_whole(tmp_path: Path) -> None:
    search = tuner(tmp_path, Deaf(), pruner=SuccessiveHalving(1, 3))
    search.search(verbose=0)
    trials = search.oracle.study.trials
    assert [t.state.name for t in trials] == ["COMPLETE"] * 2
    assert [len(t.intermediate_values) for t in trials] == [4, 4]


class OwnFit(kt.HyperModel):
    def build(self, hp: kt.HyperParameters) -> keras.Model:
        return build(hp)

    def fit(self, hp: kt.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, **kwargs)


class OwnBuild(kt.HyperModel):
    def build(self, hp: kt.HyperParameters) -> keras.Model:
        return build(hp)


class OwnTrial(OptunaTuner):
    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        return 0.0


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("pauses", "options"),
    [
        (True, {}),
        (True, {"hypermodel": OwnBuild()}),
        (True, {"pruner": "auto", "sampler": "tpe", "max_trials": None}),
        (True, {"max_trials": 30}),
        (False, {"max_trials": 29}),
        (False, {"pruner": "median"}),
        (False, {"pruner": None}),
        (False, {"sampler": "random"}),
        (False, {"time_limit": 60.0}),
        (False, {"executions_per_trial": 2}),
        (False, {"objective": ["loss", "params"]}),
        (False, {"hyperparameters": [("epochs", "int", 1, 40)]}),
        (True, {"hyperparameters": [("units", "int", 1, 30)]}),
        (False, {"hyperparameters": [("units", "int", 1, 29)]}),
        (False, {"hypermodel": OwnFit()}),
        (False, {"cls": OwnTrial}),
        (False, {"oracle": OptunaOracle("loss"), "objective": None}),
    ],
)
def test_by_default_the_first_are_paused_where_that_does_no_harm(
    pauses: bool, options: dict[str, Any], tmp_path: Path
) -> None:
    arguments = {"hypermodel": build, "objective": "loss", **options}
    search = arguments.pop("cls", OptunaTuner)(**arguments, directory=tmp_path)
    assert search.oracle.pauses is pauses
