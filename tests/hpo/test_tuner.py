import json
import shutil
from pathlib import Path

import keras
import keras_tuner as kt
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt.hpo import OptunaOracle, OptunaTuner
from tests.hpo.small import DATA, Plain, X, build, line


def tuner(directory: Path, hypermodel: object = build, **options: object) -> OptunaTuner:
    defaults = {"objective": "val_loss", "max_trials": 4, "seed": 1, "sampler": "random", "pruner": None}
    return OptunaTuner(hypermodel, directory=directory, **{**defaults, **options})


def search(made: OptunaTuner, epochs: int = 2, **options: object) -> OptunaTuner:
    made.search(*DATA, validation_data=DATA, epochs=epochs, verbose=0, **options)
    return made


def test_it_is_a_kerastuner_tuner_with_all_that_one_gives(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    made = search(tuner(tmp_path))
    assert isinstance(made, kt.Tuner)
    best = made.get_best_hyperparameters()[0]
    scores = [t.score for t in made.oracle.get_best_trials(9)]
    assert scores == sorted(scores)
    assert len(scores) == 4
    model = made.get_best_models()[0]
    assert model.evaluate(*DATA, verbose=0) == pytest.approx(scores[0], rel=1e-5)
    assert float(model.optimizer.learning_rate) == pytest.approx(best["rate"])
    made.results_summary(1)
    made.search_space_summary()
    printed = capsys.readouterr().out
    assert f"Score: {scores[0]}" in printed
    assert "rate (Float)" in printed


def test_the_model_is_built_once_a_trial(tmp_path: Path) -> None:
    built = []

    def counted(hp: kt.HyperParameters) -> keras.Model:
        built.append(1)
        return build(hp)

    search(tuner(tmp_path, counted))
    assert len(built) == 4


def test_a_search_goes_on_where_it_was(tmp_path: Path) -> None:
    first = search(tuner(tmp_path, max_trials=2))
    second = search(tuner(tmp_path, max_trials=4))
    whole = search(tuner(tmp_path, max_trials=4, project_name="whole"))
    params = [[t.params for t in made.oracle.study.trials] for made in (first, second, whole)]
    assert params[1] == params[2]
    assert len(first.oracle.trials) == 2
    assert [t.value for t in second.oracle.study.trials] == [t.value for t in whole.oracle.study.trials]


def test_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    # A rate that climbs out again after some epochs.
    class Climbs(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
            if epoch == 2:
                self.model.set_weights([np.full((1, 1), 9.0), np.zeros(1)])

    made = search(tuner(tmp_path, lambda hp: line(hp.Choice("rate", [0.1])), max_trials=1), 3, callbacks=[Climbs()])
    history = made.oracle.get_best_trials()[0]
    losses = [each.value[0] for each in history.metrics.get_history("val_loss")]
    assert losses[1] < losses[0] < losses[2]
    assert made.get_best_models()[0].evaluate(*DATA, verbose=0) == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.backend_free
def test_pruning_saves_epochs_and_not_the_best(tmp_path: Path) -> None:
    options = {"max_trials": 12, "sampler": "tpe"}
    all_of_it = search(tuner(tmp_path, **options, project_name="all"), 6)
    pruned = search(tuner(tmp_path, **options, pruner="median"), 6)

    def epochs(made: OptunaTuner) -> int:
        return sum(len(t.intermediate_values) for t in made.oracle.study.trials)

    assert epochs(all_of_it) == 72
    assert epochs(pruned) <= 60
    states = {t.state.name for t in pruned.oracle.study.trials}
    assert states == {"COMPLETE", "PRUNED"}
    best = pruned.oracle.get_best_trials()[0]
    assert best.score == min(t.value for t in pruned.oracle.study.trials if t.state.name == "COMPLETE")


def test_executions_are_averaged_and_differ(tmp_path: Path) -> None:
    def seeded(hp: kt.HyperParameters) -> keras.Model:
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(hp.Choice("rate", [0.01])), "mse")
        return model

    singles = []

    class Note(keras.callbacks.Callback):
        def __deepcopy__(self, memo: object) -> "Note":
            return self

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            singles.append(logs["val_loss"])

    made = search(tuner(tmp_path, seeded, max_trials=1, executions_per_trial=3), 1, callbacks=[Note()])
    assert len(set(singles)) == 3
    assert made.oracle.study.trials[0].value == pytest.approx(np.mean(singles))
    again = search(tuner(tmp_path, seeded, max_trials=1, executions_per_trial=3, project_name="again"), 1)
    assert again.oracle.study.trials[0].value == pytest.approx(np.mean(singles), rel=1e-5)


def test_hyperparameters_of_fit_are_drawn_when_fit_asks(tmp_path: Path) -> None:
    class Fits(kt.HyperModel):
        def build(self, hp: kt.HyperParameters) -> keras.Model:
            return build(hp)

        def fit(self, hp: kt.HyperParameters, model: keras.Model, *args: object, **kwargs: object) -> object:
            return model.fit(*args, batch_size=hp.Choice("batch_size", [4, 8]), **kwargs)

    made = search(tuner(tmp_path, Fits()))
    assert all(t.params["batch_size"] in (4, 8) for t in made.oracle.study.trials)


@pytest.mark.parametrize("returned", [0.5, {"val_loss": 0.5, "other": 1.0}], ids=["number", "mapping"])
def test_what_fit_returns_counts_where_it_trained_without_us(returned: object, tmp_path: Path) -> None:
    made = search(tuner(tmp_path, Plain(lambda hp: (hp.Float("x", 0, 1), returned)[1]), max_trials=2))
    assert [t.value for t in made.oracle.study.trials] == [0.5, 0.5]


def test_a_trial_that_raises_fails_with_its_reason_and_the_search_goes_on(tmp_path: Path) -> None:
    def value(hp: kt.HyperParameters) -> float:
        if hp.Choice("c", ["good", "bad"]) == "bad":
            raise MemoryError("no memory for this one")
        return 1.0

    made = search(
        tuner(tmp_path, Plain(value), sampler="grid", hyperparameters=[("c", "categorical", ["bad", "good"])])
    )
    assert [t.state.name for t in made.oracle.study.trials] == ["FAIL", "COMPLETE"]
    assert "MemoryError: no memory for this one" in made.oracle.get_trial("0000").message


def test_a_trial_that_takes_too_long_fails(tmp_path: Path) -> None:
    made = search(tuner(tmp_path, max_trials=1, trial_timeout=0.3), 10**6)
    assert made.oracle.study.trials[0].state.name == "FAIL"
    assert "took longer than trial_timeout=0.3 seconds" in made.oracle.get_trial("0000").message


def test_no_trial_begins_after_the_time(tmp_path: Path) -> None:
    made = search(tuner(tmp_path, max_trials=200, time_limit=1.0), 1)
    assert 1 <= len(made.oracle.study.trials) < 200


def test_an_unknown_objective_is_an_error_after_the_first_epoch(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"received 'val_los'; did you mean val_loss\?"):
        search(tuner(tmp_path, objective=("val_los", "min")), 10**6)


def test_an_interrupted_trial_is_run_again_by_the_next_search(tmp_path: Path) -> None:
    class Interrupts(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tuner(tmp_path), callbacks=[Interrupts()])
    made = search(tuner(tmp_path))
    first, second = made.oracle.study.trials[:2]
    assert (first.state.name, first.user_attrs["kno:lost"]) == ("FAIL", "stopped")
    assert second.params == first.params
    assert [t.state.name for t in made.oracle.study.trials[1:]] == ["COMPLETE"] * 4


def test_kerastuners_files_are_written_for_others_and_never_read(tmp_path: Path) -> None:
    made = search(tuner(tmp_path, max_trials=2))
    folder = tmp_path / "search"
    state = json.loads((folder / "trial_0001" / "trial.json").read_text())
    assert kt.engine.trial.Trial.from_state(state).score == made.oracle.study.trials[1].value
    assert json.loads((folder / "oracle.json").read_text())["end_order"] == ["0000", "0001"]
    for file in folder.glob("**/*.json"):
        file.write_text("{ broken")
    assert len(search(tuner(tmp_path, max_trials=3)).oracle.trials) == 3


def test_only_what_a_search_made_is_deleted(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="which is something else, and is left alone"):
        tuner(tmp_path, project_name="other", overwrite=True)
    link = tmp_path / "link"
    link.symlink_to(other)
    with pytest.raises(ValueError, match="is something else"):
        tuner(tmp_path, project_name="link", overwrite=True)
    assert (other / "thesis.tex").read_text() == "years of work"
    search(tuner(tmp_path))
    assert len(tuner(tmp_path).oracle.study.trials) == 4
    assert len(tuner(tmp_path, overwrite=True).oracle.study.trials) == 0
    shutil.rmtree(tmp_path / "search")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", "x" * 65, "a b", "ä", None, 3])
def test_names_never_lead_out_of_the_directory(name: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"OptunaTuner\.project_name must be 1 to 64"):
        tuner(tmp_path / "new", project_name=name)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("variable", ["KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"])
def test_kerastuners_chief_is_refused(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "chief")
    with pytest.raises(ValueError, match="workers=N"):
        tuner(tmp_path)


def test_two_searches_on_one_project_join_knowingly_or_not_at_all(tmp_path: Path) -> None:
    first = tuner(tmp_path, max_trials=2)
    with first.project.alone():
        with pytest.raises(RuntimeError, match=r"another search is at work .* search\(join=True\)"):
            search(tuner(tmp_path, max_trials=2))
        assert not first.oracle.study.trials
        search(tuner(tmp_path, max_trials=2), join=True)
    assert [t.state.name for t in first.oracle.study.trials] == ["COMPLETE"] * 2


def test_a_declared_space_wins_over_the_models(tmp_path: Path) -> None:
    made = search(tuner(tmp_path, hyperparameters=[("rate", "categorical", [0.03])], max_trials=5))
    assert [t.params for t in made.oracle.study.trials] == [{"rate": 0.03}]


def test_what_was_not_declared_may_be_refused_or_left_alone(tmp_path: Path) -> None:
    space = [("other", "uniform", 0, 1)]
    with pytest.raises(RuntimeError, match="must ask for hyperparameters that were declared; it asked for 'rate'"):
        search(tuner(tmp_path / "a", hyperparameters=space, allow_new_entries=False))
    made = search(tuner(tmp_path / "b", hyperparameters=space, tune_new_entries=False))
    assert {tuple(t.params) for t in made.oracle.study.trials} == {("other",)}
    assert len({t.value for t in made.oracle.study.trials}) == 1


def test_an_oracle_can_be_given(tmp_path: Path) -> None:
    oracle = OptunaOracle("loss", max_trials=1, seed=1)
    made = OptunaTuner(build, oracle=oracle, directory=tmp_path)
    made.search(*DATA, epochs=1, verbose=0)
    assert made.oracle is oracle
    with pytest.raises(ValueError, match=r"oracle must be None .* \['objective', 'sampler'\]"):
        OptunaTuner(build, "loss", oracle=oracle, sampler="tpe", directory=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert len(oracle.study.trials) == 1


BAD_ARGUMENTS = [
    ({"executions_per_trial": 0}, "executions_per_trial must be"),
    ({"trial_timeout": 0}, "trial_timeout must be"),
    ({"time_limit": -1}, "time_limit must be"),
    ({"overwrite": 1}, "overwrite must be"),
    ({"max_trials": 0}, "max_trials must be"),
    ({"sampler": "bayesain"}, r"did you mean bayesian\?"),
    ({"hypermodel": 3}, "hypermodel must be a function"),
    ({"max_trails": 3}, r"max_trails must be an argument of OptunaTuner; received 3; did you mean max_trials\?"),
    ({"allow_new_entries": 1}, "allow_new_entries must be"),
    ({"samplre": "tpe"}, r"samplre must be an argument of OptunaTuner; received 'tpe'; did you mean sampler\?"),
    ({"tune_new_entries": False}, "hyperparameters must be given where the model may add none"),
]


@pytest.mark.parametrize(("arguments", "error"), BAD_ARGUMENTS, ids=[str(a) for a, _ in BAD_ARGUMENTS])
def test_bad_arguments_make_no_folder(arguments: dict, error: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=error):
        tuner(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_a_report_of_our_own_loop_can_prune() -> None:
    oracle = OptunaOracle("loss", max_trials=20, sampler="random", seed=1)
    while (trial := oracle.create_trial("here")).status != "STOPPED":
        model = build(trial.hyperparameters)
        model.fit(X, 2 * X, epochs=4, verbose=0, callbacks=[kno.hpo.ReportAndPrune(oracle, trial)])
        oracle.end_trial(trial)
    lengths = {len(t.intermediate_values) for t in oracle.study.trials if t.state.name == "PRUNED"}
    assert lengths
    assert max(lengths) < 4
