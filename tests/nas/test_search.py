from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import keras_neural_opt as kno
from keras_neural_opt.nas import SearchSpace
from keras_neural_opt.nas._genes import sample
from keras_neural_opt.nas._inheritance import inherit
from keras_neural_opt.nas._measures import MEASURES
from keras_neural_opt.nas._searched_architecture import with_quick_statistics

pytestmark = pytest.mark.slow
RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 4)).astype("float32")
Y = (X[:, 0] * X[:, 1] > 0).astype("int32")
DATA = (X[:64], Y[:64]), (X[64:], Y[64:])


def small() -> SearchSpace:
    return kno.nas.mlp(depths=[1, 2], units=[4, 8, 16], activations="relu", dropout_rates=0.0, batch_norms=False)


def searched(directory: Path, **options: Any) -> Any:
    given = {"search_space": small(), "population_size": 3, "generations": 3, "epochs": 2, "seed": 1, "verbose": 0}
    return kno.neural_architecture_search(*DATA, {**given, "directory": directory, **options})


def genotypes(result: Any) -> list[dict[str, Any]]:
    return [result.tuner.hypermodel.genotype(trial.hyperparameters) for trial in result.trials]


@pytest.mark.parametrize("strategy", ["evolutionary", "bayesian_evolution"])
def test_the_missions_program_finds_a_network(strategy: str, tmp_path: Path) -> None:
    result = searched(tmp_path, search_strategy=strategy, performance_predictor="none", epochs=3)
    best = kno.get_best_architecture(result)
    assert best.genotype in genotypes(result)
    model = best.build()
    assert (model.input_shape, model.output_shape) == ((None, 4), (None, 2))
    performance = kno.get_architecture_performance(result)
    assert performance["val_accuracy"] == max(trial.values[0] for trial in result.trials)
    trained = result.best_model()
    assert trained.count_params() == model.count_params() == performance["params"]
    assert trained.evaluate(*DATA[1], verbose=0)[1] == pytest.approx(performance["val_accuracy"])
    assert f"{model.count_params():,} weights" in kno.describe_architecture(best)


def test_early_stopping_ranks_only_what_was_trained_whole(tmp_path: Path) -> None:
    result = searched(tmp_path, performance_predictor="early_stopping", epochs=3)
    states = [trial.state for trial in result.trials]
    assert states.count("paused") == 9
    assert set(states) == {"paused", "completed"}
    assert all(len(each.history["val_accuracy"]) == 3 for each in result.best_trials)
    assert sum(len(trial.history["val_loss"]) for trial in result.trials if trial.state == "paused") == 9


@pytest.mark.backend_free
def test_what_breaks_a_limit_is_not_trained_and_the_search_goes_on(tmp_path: Path) -> None:
    result = searched(tmp_path, performance_predictor="none", max_params=100, generations=4)
    refused = [trial for trial in result.trials if trial.state == "refused"]
    kept = [trial for trial in result.trials if trial.state == "completed"]
    assert refused
    assert kept
    assert len(refused) + len(kept) == 12
    for trial in refused:
        assert trial.history == {}
        count = small().build(result.tuner.hypermodel.genotype(trial.hyperparameters), (4,), 2).count_params()
        assert trial.reason == f"params {count} > 100"
        assert result.study.trials[trial.number].constraints == {"params": count - 100.0}
    assert all(trial.history["params"][0] <= 100 for trial in kept)


@pytest.mark.backend_free
def test_paused_networks_that_keep_the_limits_do_not_count_as_breaking_them(tmp_path: Path) -> None:
    result = searched(tmp_path, max_params=100, generations=4, epochs=3)
    paused = [t for t in result.study.trials if t.user_attrs.get("kno:reason") == "paused"]
    assert paused
    for trial in paused:
        count = small().build(result.tuner.hypermodel.genotype(result.oracle.space().values(trial.params)), (4,), 2)
        assert trial.constraints == {"params": count.count_params() - 100.0}


@pytest.mark.backend_free
def test_a_network_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The time of each prediction is another, and here ever longer.
    times = iter(range(1, 1000))
    monkeypatch.setitem(MEASURES, "latency_ms", lambda model: float(next(times)))
    result = searched(tmp_path, max_latency_ms=9.5, epochs=3)
    assert len({tuple(each.items()) for each in genotypes(result)}) == next(times) - 1 == 9
    assert {trial.state for trial in result.trials} == {"paused", "completed"}


@pytest.mark.backend_free
def test_where_the_best_comes_to_nothing_the_next_goes_on(tmp_path: Path) -> None:
    begun = []

    class Diverges(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            if epoch == 1 and not begun:
                begun.append(epoch)
                logs["val_accuracy"] = float("nan")

    result = searched(tmp_path, epochs=3, callbacks=[Diverges()])
    assert [trial.state for trial in result.trials].count("diverged") == 1
    assert result.best_architecture.performance["val_accuracy"] > 0.0


def test_patience_does_not_wait_for_what_was_refused(tmp_path: Path) -> None:
    result = searched(tmp_path, performance_predictor="none", max_params=1, early_stopping_patience=2)
    assert [trial.state for trial in result.trials] == ["refused"] * 9
    with pytest.raises(ValueError, match=r"received trials that are refused"):
        _ = result.best_architecture


def test_constraints_of_measures_are_measured(tmp_path: Path) -> None:
    constraints = {"flops": ("<=", 1)}
    result = searched(tmp_path, performance_predictor="none", generations=1, constraints=constraints)
    assert [trial.state for trial in result.trials] == ["completed"] * 3
    assert repr(result) == "<ArchitectureSearchResult: 3 of 3 trials completed>"
    with pytest.raises(ValueError, match=r"must have a trial that keeps the constraints; received none that does"):
        _ = result.best_architecture


@pytest.mark.backend_free
def test_the_network_to_be_expected_most_of_is_one_that_was_trained(tmp_path: Path) -> None:
    result = searched(tmp_path, performance_predictor="none")
    assert result.recommended_architecture.genotype in genotypes(result)


def logits(genotype: Any, input_shape: Any, classes: int) -> keras.Model:
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Dense(genotype["units"]), keras.layers.Dense(classes)]
    )


def test_logits_are_trained_as_logits(tmp_path: Path) -> None:
    space = SearchSpace([("units", "categorical", [4, 8])], logits)
    result = searched(tmp_path, search_space=space, performance_predictor="none", generations=1, population_size=2)
    assert result.tuner.hypermodel.task.loss.get_config()["from_logits"]


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("options", "data", "message"),
    [
        ({"search_space": "resnet"}, DATA, r"resnet.input_shape must be \(height, width, channels\); received \(4,\)"),
        ({}, ((X, X[:, 0]), (X, X[:, 0])), r"must build networks that end in no activation, .* ends in softmax"),
        (
            {"search_space": SearchSpace([("learning_rate", "categorical", [0.1, 0.2])], logits)},
            DATA,
            r"must have genes of networks alone; received 'learning_rate'.* joint=",
        ),
        (
            {"max_params": 5, "constraints": {"params": ("<=", 9)}},
            DATA,
            r"must not have 'params' where max_params",
        ),
        ({}, ((X, np.zeros(96, int)), None), r"must have labels of two classes or more; received one"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_made(
    options: dict[str, Any], data: Any, message: str, tmp_path: Path
) -> None:
    given = {"search_space": small(), **options, "directory": tmp_path / "new"}
    with pytest.raises(ValueError, match=message):
        kno.neural_architecture_search(*data, given)
    assert not (tmp_path / "new").exists()


@pytest.mark.backend_free
def test_a_front_of_error_and_size(tmp_path: Path) -> None:
    result = searched(tmp_path, objective=["val_accuracy", "flops"], generations=4)
    assert {trial.state for trial in result.trials} == {"completed"}
    front = [(each.performance["val_accuracy"], each.performance["flops"]) for each in result.architectures]
    assert front
    for accuracy, flops in front:
        assert not any(a >= accuracy and f <= flops and (a, f) != (accuracy, flops) for a, f in front)
    dearest = max(flops for _, flops in front)
    assert result.hypervolume((0.0, dearest + 1.0)) > 0.0
    with pytest.raises(ValueError, match=r"hypervolume.reference must have a number for each of"):
        result.hypervolume((0.0,))


def test_a_search_that_is_continued_goes_on_as_if_it_had_not_been_stopped(tmp_path: Path) -> None:
    whole = searched(tmp_path / "whole", performance_predictor="none")
    searched(tmp_path / "stopped", performance_predictor="none", generations=1)
    continued = searched(tmp_path / "stopped", performance_predictor="none")
    assert genotypes(continued) == genotypes(whole)
    assert [t.values for t in continued.trials] == [t.values for t in whole.trials]


@pytest.mark.backend_free
def test_several_processes_search_together(tmp_path: Path) -> None:
    result = searched(tmp_path, performance_predictor="none", workers=2)
    assert [trial.state for trial in result.trials] == ["completed"] * 9
    assert len({tuple(each.items()) for each in genotypes(result)}) == 9


@pytest.mark.backend_free
def test_hyperparameters_are_searched_with_it(tmp_path: Path) -> None:
    joint = [("learning_rate", "log_uniform", 1e-4, 1e-1), ("batch_size", "categorical", [16, 32])]
    result = searched(tmp_path, joint=joint, performance_predictor="none")
    rates = {trial.hyperparameters["learning_rate"] for trial in result.trials}
    assert len(rates) > 2
    assert all(1e-4 <= rate <= 1e-1 for rate in rates)
    best = result.best_trial
    model = result.tuner.hypermodel.build(result.oracle.get_trial(f"{best.number:04d}").hyperparameters)
    assert float(model.optimizer.learning_rate) == pytest.approx(best.hyperparameters["learning_rate"])
    assert "learning_rate" not in result.best_architecture.genotype


@pytest.mark.backend_free
def test_a_network_takes_over_the_layers_that_it_shares_with_another() -> None:
    def network(*widths: int) -> keras.Model:
        hidden = [layer for n in widths for layer in (keras.layers.Dense(n), keras.layers.BatchNormalization())]
        return keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(2)])

    parent, child = network(8, 8, 16), network(8, 8, 8, 16)
    assert inherit(child, parent) == 7
    dense = [layer for layer in child.layers if isinstance(layer, keras.layers.Dense)]
    theirs = [layer for layer in parent.layers if isinstance(layer, keras.layers.Dense)]
    same = [any(np.array_equal(a.kernel, b.kernel) for b in theirs) for a in dense]
    assert sum(same) == 4
    assert not same[2] or not same[1]
    assert inherit(network(3), network(5)) == 0


def test_children_begin_with_the_weights_of_relatives(tmp_path: Path) -> None:
    activations = ["relu", "gelu", "silu"]
    space = kno.nas.mlp([1, 2, 3], units=16, activations=activations, dropout_rates=0.0, batch_norms=False)
    losses, easy = {}, (X[:, 0] > 0).astype("int32")
    for inherits in (False, True):
        result = kno.neural_architecture_search(
            (X, easy), (X, easy), search_space=space, performance_predictor="none", inherit_weights=inherits, seed=1,
            population_size=3, generations=3, epochs=6, batch_size=8, search_strategy="evolutionary", verbose=0,
            directory=tmp_path / str(inherits), optimizer=keras.optimizers.Adam(0.02),
        )  # fmt: skip
        losses[inherits] = [trial.history["loss"][0] for trial in result.trials]
    # The first has nobody to take after.
    assert losses[True][0] == losses[False][0]
    assert np.median(losses[True][3:]) < np.median(losses[False][3:]) - 0.1


def test_a_regression_ends_in_numbers(tmp_path: Path) -> None:
    target = X.sum(1)
    result = kno.neural_architecture_search(
        (X, target), None, search_space="mlp", population_size=2, generations=1, epochs=2, seed=1,
        performance_predictor="none", directory=tmp_path, verbose=0,
    )  # fmt: skip
    assert result.best_architecture.build().layers[-1].activation is keras.activations.linear
    assert result.oracle.objectives[0].name == "val_loss"


@pytest.mark.backend_free
def test_the_pictures_and_the_report(tmp_path: Path) -> None:
    result = searched(tmp_path, performance_predictor="none")
    above, below = result.plot.architecture().axes
    widths = [bar.get_height() for bar in above.patches if bar.get_height()]
    model = result.best_architecture.build()
    assert widths == [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert sum(bar.get_height() for bar in below.patches) == pytest.approx(100.0)
    (axes,) = result.plot.genealogy().axes
    assert len(axes.lines) == len(result.trials) - 1 + 1
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["trained whole", "the best one's line"]
    assert axes.get_ylabel() == "val_accuracy"
    paused = searched(tmp_path / "paused", epochs=3)
    (axes,) = paused.plot.genealogy().axes
    dots = [len(each.get_offsets()) for each in axes.collections]
    # Each network once, though it was trained in parts.
    assert sum(dots) == len({tuple(each.items()) for each in genotypes(paused)}) < len(paused.trials)
    page = result.to_html(tmp_path / "report.html").read_text()
    assert "Best architecture" in page
    assert "The best network, layer by layer" in page


def normed(momentum: float) -> keras.Model:
    inputs = x = keras.Input((4,))
    for seed in (1, 2, 3):
        x = keras.layers.Dense(16, kernel_initializer=keras.initializers.GlorotUniform(seed))(20.0 * x + 30.0)
        x = keras.layers.Activation("tanh")(keras.layers.BatchNormalization(momentum=momentum)(x))
    outputs = keras.layers.Dense(2, "softmax", kernel_initializer=keras.initializers.GlorotUniform(4))(x)
    return keras.Model(inputs, outputs)


def test_a_short_trial_is_not_judged_by_the_statistics_it_began_with() -> None:
    """With `keras.applications`' momentum of 0.999 a network that has learned its data seems to know nothing."""
    y = (X[:, 0] > 0).astype("int32")
    gaps = {}
    for name in ("stock", "ours"):
        keras.utils.set_random_seed(1)
        model = normed(0.999)
        if name == "ours":
            with_quick_statistics(model, 16)
        model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
        trained = model.fit(X, y, epochs=15, batch_size=16, verbose=0).history["accuracy"][-1]
        gaps[name] = trained - model.evaluate(X, y, verbose=0)[1]
    assert gaps["stock"] > 0.3
    assert gaps["ours"] < 0.05


@pytest.mark.backend_free
def test_a_momentum_of_nine_tenths_is_too_slow_for_a_deep_network() -> None:
    images, digits = load_digits(return_X_y=True)
    x = (images[:600] / 16).reshape(-1, 8, 8, 1).repeat(3, 1).repeat(3, 2).astype("float32")
    space = kno.nas.mobilenet_v3(depths=2, kernels=[3, 5], expansions=3, width=0.25)
    genotype = sample(space.genes, np.random.default_rng(0))
    accuracies = {}
    for name in ("stock", "ours"):
        keras.utils.set_random_seed(1)
        model = space.build(genotype, (24, 24, 1), 10)
        if name == "ours":
            with_quick_statistics(model, 32)
        model.compile(kno.optimizers.AdamW(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
        assert model.fit(x, digits[:600], epochs=2, verbose=0).history["accuracy"][-1] > 0.6
        accuracies[name] = model.evaluate(x, digits[:600], verbose=0)[1]
    assert accuracies["stock"] < 0.3
    assert accuracies["ours"] > 0.5


@pytest.mark.backend_free
@pytest.mark.parametrize(("batch_size", "momentum"), [(1, 0.9), (8, 0.875), (16, 0.75), (32, 0.5), (512, 0.5)])
def test_the_averages_span_a_few_dozen_examples(batch_size: int, momentum: float) -> None:
    model = normed(0.999)
    with_quick_statistics(model, batch_size)
    found = {layer.momentum for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)}
    assert found == {momentum}
    with_quick_statistics(model, 1)
    assert found == {layer.momentum for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)}


def test_the_best_is_trained_again_with_statistics_of_all_data_and_saved(tmp_path: Path) -> None:
    space = kno.nas.mlp(depths=1, units=[8, 16], activations="relu", dropout_rates=0.0, batch_norms=True)
    result = searched(tmp_path, search_space=space, performance_predictor="none", generations=1)
    schedule = kno.schedules.CosineAnnealing(0.03, 40, unit="epoch")
    model = result.retrain(40, kno.optimizers.AdamW(schedule))
    norm = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    before = keras.Model(model.inputs, norm.input).predict(X, verbose=0)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(norm.moving_mean), before.mean(0), rtol=1e-4, atol=1e-5)
    assert model.evaluate(X, Y, verbose=0)[1] > 0.7
    model.save(tmp_path / "best.keras")
    loaded = keras.saving.load_model(tmp_path / "best.keras")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    assert type(loaded.optimizer) is kno.optimizers.AdamW


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Keras writes this format on TensorFlow")
def test_a_found_network_is_exported_for_tensorflow(tmp_path: Path) -> None:
    import tensorflow as tf

    images, labels = load_digits(return_X_y=True)
    images = (images[:96] / 16).reshape(-1, 8, 8, 1).astype("float32")
    space = kno.nas.mobilenet_v3(depths=1, kernels=[3, 5], expansions=[1, 2], width=0.25)
    options = {"search_space": space, "population_size": 2, "generations": 1, "epochs": 1, "seed": 1, "verbose": 0}
    result = kno.neural_architecture_search(
        (images, labels[:96]), None, {**options, "directory": tmp_path, "performance_predictor": "none"}
    )
    model = result.best_model()
    model.export(tmp_path / "best", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "best"))
    np.testing.assert_allclose(loaded.serve(images).numpy(), model.predict(images, verbose=0), rtol=1e-4, atol=1e-5)


def test_an_optimizer_copies_the_weights_that_were_inherited(tmp_path: Path) -> None:
    seen = []

    class Begins(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            slow = [each for each in self.model.optimizer.variables if "slow" in each.path]
            pairs = zip(slow, self.model.trainable_variables, strict=True)
            seen.append([np.ptp([keras.ops.convert_to_numpy(each) for each in pair], 0).max() for pair in pairs])

    options = {"optimizer": kno.optimizers.Lookahead(kno.optimizers.AdamW()), "inherit_weights": True, "generations": 1}
    searched(tmp_path, callbacks=[Begins()], performance_predictor="none", **options)
    assert len(seen) == 3
    assert all(differences and max(differences) == 0.0 for differences in seen)
