from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
import pytest

import keras_neural_opt as kno
from tests.hpo.small import DATA, X, line

RATE = ("learning_rate", "log_uniform", 1e-3, 0.3)


def search(what: Any, directory: Path, space: Any = (RATE,), gradient: Any = None, **options: Any) -> Any:
    defaults = {"max_trials": 3, "epochs": 2, "seed": 1, "verbose": 0, "optimization_method": "random", "pruner": None}
    options = {**defaults, **options}
    validation = options.pop("validation", DATA)
    return kno.hyperparameter_optimization(
        what, gradient, DATA, validation, search_space=list(space), directory=directory, **options
    )


def rates(model: keras.Model) -> float:
    return float(model.optimizer.learning_rate)


def test_a_compiled_model_is_cloned_with_its_weights(tmp_path: Path) -> None:
    model = line()
    model.set_weights([np.full((1, 1), 1.5), np.zeros(1)])
    result = search(model, tmp_path, epochs=1, max_trials=2)
    assert model.get_weights()[0] == 1.5
    assert int(model.optimizer.iterations) == 0
    best = result.best_model()
    assert rates(best) == pytest.approx(result.best_hyperparameters["learning_rate"])
    assert best.evaluate(*DATA, verbose=0) == pytest.approx(result.best_value, rel=1e-5)
    # One epoch of the smallest rates hardly moves the weight from where the model stood.
    assert all(t.values[0] < 0.2 for t in result.trials)


def test_functions_are_trained_from_their_weights(tmp_path: Path) -> None:
    def loss(weights: Any, batch: Any) -> Any:
        x, y = batch
        return ((weights["w"] * x - y) ** 2).mean()

    def gradient(weights: Any, batch: Any) -> Any:
        x, y = batch
        return {"w": (2 * (weights["w"] * x - y) * x).mean(keepdims=True)[0]}

    space = [RATE, ("batch_size", "categorical", [8, 16])]
    result = search(loss, tmp_path, space, gradient, initial_weights={"w": np.zeros(1)}, optimizer="sgd")
    assert len(result.trials) == 3
    assert result.best_value < 1.4
    with pytest.raises(ValueError, match=r"initial_weights must be given with a loss function and its gradient"):
        search(loss, tmp_path / "new", space, gradient)
    assert not (tmp_path / "new").exists()


def test_a_function_that_builds_gets_what_it_asks_for_and_compile_the_rest(tmp_path: Path) -> None:
    models = []

    def build(hp: kt.HyperParameters) -> keras.Model:
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(hp["units"]), keras.layers.Dense(1)])
        model.compile("adam", "mse", jit_compile=False)
        models.append(model)
        return model

    space = [
        ("units", "int", 1, 4),
        ("optimizer", "categorical", ["sgd", "adamw"]),
        RATE,
        ("weight_decay", "log_uniform", 1e-5, 1e-2),
        ("momentum", "uniform", 0.1, 0.9, {"when": ("optimizer", "sgd")}),
        ("clipnorm", "categorical", [0.5, 2.0]),
        ("epochs", "int", 1, 2),
        ("batch_size", "categorical", [8, 32]),
    ]
    with pytest.raises(ValueError, match=r"search_space\.momentum must be asked for by the function"):
        search(build, tmp_path / "a", space, max_trials=9)
    result = search(build, tmp_path / "b", [p for p in space if p[0] != "momentum"], max_trials=4)
    for trial, model in zip(result.trials, models[-4:], strict=True):
        values = trial.hyperparameters
        assert model.layers[0].units == values["units"]
        assert type(model.optimizer).__name__.lower() == values["optimizer"]
        assert rates(model) == pytest.approx(values["learning_rate"])
        assert model.optimizer.weight_decay == pytest.approx(values["weight_decay"])
        assert model.optimizer.clipnorm == values["clipnorm"]
        assert len(trial.history["loss"]) == values["epochs"]
        assert int(model.optimizer.iterations) == values["epochs"] * (32 // values["batch_size"])


def test_arguments_of_the_optimizer_need_no_function(tmp_path: Path) -> None:
    space = [
        ("optimizer", "categorical", ["sgd", "rmsprop"]),
        ("momentum", "uniform", 0.1, 0.9, {"when": ("optimizer", "sgd")}),
        ("rho", "uniform", 0.5, 0.9, {"when": ("optimizer", "rmsprop")}),
    ]
    result = search(line(), tmp_path, space, max_trials=6)
    seen = {frozenset(t.hyperparameters) for t in result.trials}
    assert seen == {frozenset({"optimizer", "momentum"}), frozenset({"optimizer", "rho"})}
    for trial in result.trials:
        model = result.tuner.load_model(result.oracle.get_trial(f"{trial.number:04d}"))
        name = "momentum" if trial.hyperparameters["optimizer"] == "sgd" else "rho"
        assert float(getattr(model.optimizer, name)) == pytest.approx(trial.hyperparameters[name])


@pytest.mark.parametrize("kind", ["constant", "cosine", "linear", "one_cycle"])
def test_schedules_by_name_end_with_the_training(kind: str, tmp_path: Path) -> None:
    space = [("learning_rate", "categorical", [0.1]), ("schedule", "categorical", [kind])]
    result = search(line(), tmp_path, space, batch_size=8, epochs=3)
    optimizer = result.best_model().optimizer
    schedule = optimizer.get_config()["learning_rate"]
    if kind == "constant":
        assert schedule == pytest.approx(0.1)
    else:
        values = schedule["config"].values()
        assert 12 in values  # 3 epochs of 4 batches
        assert 0.1 in values


def test_objects_behind_labels_reach_the_optimizer(tmp_path: Path) -> None:
    schedules = {"decay": kno.schedules.ExponentialDecay(0.2, 10, 0.5), "none": None}
    optimizers = {"nesterov": keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)}
    space = [("schedule", "categorical", schedules), ("optimizer", "categorical", optimizers)]
    result = search(line(), tmp_path, space, max_trials=2)
    assert {t.hyperparameters["schedule"] for t in result.trials} == {"decay", "none"}
    assert result.best_hyperparameters["optimizer"] == "nesterov"
    assert result.best_model().optimizer.nesterov is True


def test_cross_validation_covers_every_sample_once(tmp_path: Path) -> None:
    seen: list[set[float]] = []

    class Note(keras.callbacks.Callback):
        def __deepcopy__(self, memo: object) -> "Note":
            return self

        def on_train_begin(self, logs: dict | None = None) -> None:
            seen.append(set())

    class Remembers(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)

    model = line()
    model.compile("sgd", Remembers(), jit_compile=False)
    result = search(model, tmp_path, validation=None, cross_validation=4, max_trials=1, callbacks=[Note()])
    assert len(seen) == 4
    assert result.best_trial.values[0] == pytest.approx(np.min(result.best_trial.history["val_loss"]))
    folds = [result.tuner.hypermodel._fold(i) for i in range(4)]
    held = np.concatenate([fold.validation[0] for fold in folds])
    assert sorted(held.ravel()) == sorted(X.ravel())
    assert all(len(fold.training[0]) == 24 for fold in folds)


def test_without_validation_data_the_training_loss_counts(tmp_path: Path) -> None:
    result = search(line(), tmp_path, validation=None)
    assert result.oracle.objectives[0].name == "loss"


def test_a_search_that_is_called_again_is_continued(tmp_path: Path) -> None:
    first = search(line(), tmp_path, max_trials=2)
    before = [t.hyperparameters for t in first.trials]
    again = search(line(), tmp_path, max_trials=3)
    assert [t.hyperparameters for t in again.trials[:2]] == before
    assert len(again.trials) == 3
    with pytest.raises(ValueError, match=r"space must be those of the study 'search', which exists"):
        search(line(), tmp_path, [("learning_rate", "uniform", 0.1, 0.2)])


@pytest.mark.backend_free
@pytest.mark.parametrize("method", ["asha", "hyperband", "bohb", "grid", "auto", "bayesian", "tpe", "cma_es", "qmc"])
def test_every_method_searches(method: str, tmp_path: Path) -> None:
    space = [("learning_rate", "categorical", [0.1, 0.2])] if method == "grid" else [RATE]
    result = search(line(), tmp_path, space, optimization_method=method, pruner="auto", epochs=3)
    assert result.best_value < 1.4


def test_a_result_without_a_completed_trial_says_why(tmp_path: Path) -> None:
    def build(hp: kt.HyperParameters) -> keras.Model:
        raise RuntimeError(f"nothing is right with {hp['learning_rate'] > 0}")

    result = search(build, tmp_path)
    assert {t.state for t in result.trials} == {"failed"}
    with pytest.raises(
        ValueError, match=r"must have a trial that completed; .*RuntimeError: nothing is right with True"
    ):
        result.best_hyperparameters  # noqa: B018  it is the reading that raises


SPACE = [("learning_rate", "log_uniform", 1e-5, 1e-1)]
BAD_CONFIGS = [
    ({}, "search_space must be a list"),
    ({"search_space": []}, "search_space must be a list"),
    ({"optimization_method": "bayesain"}, r"did you mean bayesian\?"),
    ({"optimization_method": None}, "optimization_method must be one of"),
    ({"method": "tpe", "optimization_method": "tpe"}, "must be given once"),
    ({"max_trials": 0}, "max_trials must be"),
    ({"max_trials": -3}, "max_trials must be"),
    ({"max_trials": 2.5}, "max_trials must be"),
    ({"early_stopping_patience": 0}, "early_stopping_patience must be"),
    ({"epochs": 0}, "epochs must be"),
    ({"epochs": True}, "epochs must be"),
    ({"batch_size": 0}, "batch_size must be"),
    ({"trial_patience": 0}, "trial_patience must be"),
    ({"trial_timeout": 0}, "trial_timeout must be"),
    ({"trial_timeout": float("nan")}, "trial_timeout must be"),
    ({"time_limit": -1}, "time_limit must be"),
    ({"executions_per_trial": 0}, "executions_per_trial must be"),
    ({"cross_validation": 1}, "cross_validation must be"),
    ({"seed": -1}, "seed must be"),
    ({"seed": 1.0}, "seed must be"),
    ({"overwrite": "yes"}, "overwrite must be"),
    ({"verbose": 3}, "verbose must be"),
    ({"project_name": "../x"}, "project_name must be 1 to 64"),
    ({"project_name": "a/b"}, "project_name must be 1 to 64"),
    ({"project_name": ""}, "project_name must be 1 to 64"),
    ({"pruner": "medain"}, r"did you mean median\?"),
    ({"pruner": 4}, "pruner must be one of"),
    ({"objective": []}, "at least one objective"),
    ({"objective": "unheard_of"}, "must say whether more is better"),
    ({"objective": 5}, "objective must be a name"),
    ({"max_trails": 5}, r"did you mean max_trials\?"),
    ({"initial_points": [{"learning_rat": 0.1}]}, r"did you mean learning_rate\?"),
    ({"initial_points": [{"learning_rate": 7.0}]}, "must have values of"),
    ({"optimization_method": "grid"}, "must be finite for a grid"),
]


@pytest.mark.parametrize(("options", "error"), BAD_CONFIGS, ids=[str(i) for i in range(len(BAD_CONFIGS))])
def test_bad_configurations_are_refused(options: dict, error: str) -> None:
    given = {"search_space": SPACE, **options} if options else {}
    with pytest.raises(ValueError, match=error):
        kno.create_hyperparameter_optimization_config(**given)


BAD_CALLS = [
    (5, {}, "loss_function must be a loss function, a Keras model"),
    ("model", {}, "loss_function must be a loss function, a Keras model"),
    (line(), {"gradient": len}, "gradient_function must be None where a Keras model"),
    (line(), {"space": [("units", "int", 1, 4)]}, r"search_space\.units must be one of optimizer, learning_rate"),
    (line(), {"space": [("learning_rat", "uniform", 0, 1)]}, r"did you mean learning_rate\?"),
    (line(), {"space": [("beta_1", "uniform", 0.5, 0.9)]}, r"search_space\.beta_1 must be one of"),
    (keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), {}, "loss must be given for a model"),
    (line(), {"cross_validation": 2}, "cross_validation must be None unless"),
    (line(), {"validation": None, "cross_validation": 99}, "at most the number of samples"),
]


@pytest.mark.parametrize(("what", "options", "error"), BAD_CALLS, ids=[str(i) for i in range(len(BAD_CALLS))])
def test_bad_calls_are_refused_before_a_folder_is_made(what: Any, options: dict, error: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=error):
        search(what, tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_the_best_is_trained_again_on_all_data(tmp_path: Path) -> None:
    far = (X + 3, 2 * (X + 3))
    result = search(line(), tmp_path, validation=far, epochs=3, batch_size=8)
    model = result.retrain()
    assert rates(model) == pytest.approx(result.best_hyperparameters["learning_rate"])
    best_epoch = int(np.argmin(result.best_trial.history["val_loss"]))
    assert int(model.optimizer.iterations) == 8 * (best_epoch + 1)  # 64 samples in batches of 8
    assert model.evaluate(*far, verbose=0) < result.best_value
    other = kno.optimizers.SGD(kno.schedules.LinearDecay(0.1, 4, 0.05, unit="epoch"), momentum=0.9)
    again = result.retrain(2, other)
    assert again.optimizer is other
    again.save(tmp_path / "again.keras")
    assert type(keras.saving.load_model(tmp_path / "again.keras").optimizer) is kno.optimizers.SGD
    assert float(other.learning_rate) == pytest.approx(0.075)
    with pytest.raises(ValueError, match="no-such"):
        result.retrain(optimizer="no-such")
    result.tuner.hypermodel = None
    with pytest.raises(ValueError, match="a tuner of your own"):
        result.retrain()
