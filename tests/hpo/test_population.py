from pathlib import Path
from typing import ClassVar

import keras
import keras_tuner as kt
import numpy as np
import pytest

from keras_neural_opt.hpo import PopulationBasedTuner
from tests.hpo.small import DATA

SPACE = [("rate", "log_uniform", 1e-3, 0.5)]


def build(hp: kt.HyperParameters) -> keras.Model:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(hp["rate"], momentum=0.5), "mse", jit_compile=False)
    return model


class Notes(keras.callbacks.Callback):
    """Notes the rate and the steps taken when an epoch begins, where no state of a training brings it back."""

    seen: ClassVar[list[tuple[int, float, int]]] = []

    def __deepcopy__(self, memo: object) -> "Notes":
        return self

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        optimizer = self.model.optimizer
        self.seen.append((epoch, float(optimizer.learning_rate), int(optimizer.iterations)))


def search(directory: Path, notes: Notes | None = None, epochs: int = 4) -> PopulationBasedTuner:
    tuner = PopulationBasedTuner(
        build, "val_loss", 6, quantile=0.34, hyperparameters=SPACE, seed=3, directory=directory
    )
    callbacks = [] if notes is None else [notes]
    tuner.search(*DATA, validation_data=DATA, epochs=epochs, batch_size=8, verbose=0, callbacks=callbacks)
    return tuner


@pytest.mark.slow
def test_the_worst_go_on_from_the_best_with_rates_of_their_own(tmp_path: Path) -> None:
    notes = Notes()
    notes.seen.clear()
    tuner = search(tmp_path, notes)
    trials = tuner.oracle.study.trials
    # Six members, four times one epoch, none of them more than once.
    assert [epoch for epoch, _, _ in notes.seen] == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6
    assert [steps for _, _, steps in notes.seen] == [4 * epoch for epoch, _, _ in notes.seen]
    assert [rate for _, rate, _ in notes.seen] == pytest.approx([t.params["rate"] for t in trials], rel=1e-6)
    taken = [
        t
        for t in trials
        if "kno:follows" in t.user_attrs and t.user_attrs["kno:follows"] != t.user_attrs["kno:continues"]
    ]
    assert taken
    for trial in taken:
        worse, better = (trials[trial.user_attrs[f"kno:{name}"]] for name in ("follows", "continues"))
        assert worse.last_step == better.last_step == trial.last_step - 1
        assert better.intermediate_values[better.last_step] < worse.intermediate_values[worse.last_step]
        assert trial.params["rate"] != better.params["rate"]
        assert 1e-3 <= trial.params["rate"] <= 0.5
    assert len(tuner.oracle.get_best_trials(9)) == 6
    scores = [t.score for t in tuner.oracle.get_best_trials(9)]
    first = [t.intermediate_values[0] for t in trials[:6]]
    assert np.median(scores) < min(first)


@pytest.mark.slow
@pytest.mark.backend_free
def test_it_is_the_same_every_time(tmp_path: Path) -> None:
    first, second = (search(tmp_path / name, epochs=3).oracle.study.trials for name in ("a", "b"))
    assert [t.params for t in first] == [t.params for t in second]
    assert [t.intermediate_values for t in first] == [t.intermediate_values for t in second]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"population_size": 1}, "population_size must be an integer >= 2; received 1"),
        ({"quantile": 1.0}, "quantile must be"),
        ({"interval": 0}, "min_epochs must be"),
        ({"resample_probability": -1}, "resample_probability must be"),
    ],
)
def test_bad_arguments_are_refused(options: dict, error: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=error):
        PopulationBasedTuner(build, "val_loss", hyperparameters=SPACE, directory=tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()
