"""The rate is found in the first batches of a training, which then goes as if it had begun with it."""

import math
import re
from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt import optimizers
from keras_neural_opt.callbacks import LearningRateFinder

X = np.random.default_rng(0).normal(size=(120, 3)).astype("float32")
Y = X.sum(1, keepdims=True)
SIZE = 8
OPTIMIZERS = {
    "Adam": lambda rate=0.5: optimizers.Adam(rate),
    "Lookahead": lambda rate=0.5: optimizers.Lookahead(optimizers.AdamW(rate)),
    "accumulation": lambda rate=0.5: optimizers.GradientAccumulation(optimizers.SGD(rate), 2),
    "native": lambda rate=0.5: keras.optimizers.Adam(rate),
}


class Batches(keras.utils.PyDataset):
    """An epoch of batches, from the first on or a later one."""

    def __init__(self, first: int = 0) -> None:
        super().__init__()
        self.first = first

    def __len__(self) -> int:
        return len(X) // SIZE - self.first

    def __getitem__(self, i: int) -> Any:
        part = slice(SIZE * (self.first + i), SIZE * (self.first + i + 1))
        return X[part], Y[part]


def dropout_model(optimizer: Any, **options: Any) -> Any:
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(8), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    model.compile(optimizer, "mse", **options)
    return model


def weights(model: Any) -> list[float]:
    return [int(model.optimizer.iterations), *np.concatenate([w.ravel() for w in model.get_weights()]).tolist()]


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_training_goes_as_if_it_had_begun_with_the_rate(make: Any):
    finder = LearningRateFinder(1e-4, 1e-1, steps=20, stop_factor=1e9)
    model = dropout_model(make())
    losses = model.fit(Batches(), epochs=3, callbacks=[finder], shuffle=False, verbose=0).history["loss"]

    assert finder.found is not None
    expected = dropout_model(make(finder.found.suggestion))
    expected_losses = [expected.fit(Batches(first), shuffle=False, verbose=0).history["loss"][0] for first in (5, 0)]
    assert weights(model) == weights(expected)
    assert losses[1:] == pytest.approx(expected_losses, rel=1e-6)


def test_it_sees_what_find_learning_rate_sees():
    finder = LearningRateFinder(1e-4, 1e-1, steps=12, stop_factor=1e9)
    dropout_model(optimizers.Adam()).fit(Batches(), callbacks=[finder], shuffle=False, verbose=0)
    found = kno.find_learning_rate(
        dropout_model(optimizers.Adam()), Batches(), 1e-4, 1e-1, 12, stop_factor=1e9, shuffle=False
    )
    assert finder.found is not None
    assert finder.found.rates == pytest.approx(found.rates, rel=1e-5)
    assert finder.found.losses == pytest.approx(found.losses, rel=1e-4)


def test_nobody_takes_its_losses_for_those_of_training():
    class Seen(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append(dict(logs))

    def own(y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(y_pred)

    seen: list[dict[str, float]] = []
    model = dropout_model(optimizers.Adam(), metrics=["mae", keras.metrics.BinaryAccuracy(name="accuracy"), own])
    history = model.fit(
        Batches(),
        epochs=4,
        shuffle=False,
        validation_data=(X, Y),
        callbacks=[LearningRateFinder(1e-4, 1e-1, steps=30, stop_factor=1e9), Seen()],
        verbose=0,
    ).history
    for name in ("own", "val_own"):
        assert len(history.pop(name)) == 2
    # 15 batches an epoch: the test ends with the second.
    for name, values in history.items():
        worst = -math.inf if name.endswith("accuracy") else math.inf
        assert values[:2] == [worst, worst], name
        assert all(map(math.isfinite, values[2:])), name
        assert values == [logs[name] for logs in seen]
    assert ["own" in logs for logs in seen] == [False, False, True, True]


def test_no_epoch_of_the_test_is_the_best():
    stopping = keras.callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True)
    model = dropout_model(optimizers.Adam())
    losses = model.fit(
        Batches(), epochs=12, callbacks=[LearningRateFinder(1e-4, 1e-1, 20, stop_factor=1e9), stopping], verbose=0
    ).history["loss"]
    assert stopping.best == min(losses[2:])
    assert len(losses) > 5


def test_the_model_must_be_built_where_keras_has_not():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizers.SGD(0.1), "mse")
    finder = LearningRateFinder(1e-4, 1e-1, steps=12)
    if keras.backend.backend() == "tensorflow":
        with pytest.raises(ValueError, match=r"^LearningRateFinder needs a model that is built; call it once"):
            model.fit(Batches(), callbacks=[finder], verbose=0)
    else:
        model.fit(Batches(), callbacks=[finder], verbose=0)
        assert finder.found is not None


def test_it_looks_once():
    finder = LearningRateFinder(1e-4, 1e-1, steps=12, stop_factor=1e9)
    model = dropout_model(optimizers.Adam())
    model.fit(Batches(), callbacks=[finder], verbose=0)
    found = finder.found
    model.optimizer.learning_rate = 0.25
    history = model.fit(Batches(), callbacks=[finder], verbose=0).history
    assert finder.found is found
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == 0.25
    assert math.isfinite(history["loss"][0])


class Stop(keras.callbacks.Callback):
    """Ends the training after a number of batches, also by an error."""

    def __init__(self, batches: int, error: type[BaseException] | None = None) -> None:
        super().__init__()
        self.left, self.error = batches, error

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if not self.left and self.error:
            raise self.error
        self.model.stop_training |= self.left <= 0


def rate_of(model: Any) -> float:
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


@pytest.mark.parametrize("make", [optimizers.Adam, keras.optimizers.Adam], ids=["ours", "native"])
def test_what_ends_too_early_is_put_back(make: Any):
    # An average that replaces the weights at the end of `fit` must not replace those that are put back.
    model = dropout_model(make(0.5, use_ema=True))
    before = weights(model)
    finder = LearningRateFinder(steps=12)
    with pytest.raises(RuntimeError, match=r"^LearningRateFinder: training ended after 11 of 12 steps$"):
        model.fit(Batches(), callbacks=[finder, Stop(11)], verbose=0)
    assert weights(model) == before
    assert rate_of(model) == 0.5

    large = LearningRateFinder(1.0, 2.0, 10)
    with pytest.raises(RuntimeError, match=r"LearningRateFinder: the loss blew up after \d+ steps"):
        model.fit(X * 1e20, Y, callbacks=[large], batch_size=8, verbose=0)
    assert weights(model) == before
    assert rate_of(model) == 0.5


@pytest.mark.parametrize("steps", [11, 5])
def test_one_that_ended_too_early_begins_anew(steps: int):
    model, finder = dropout_model(optimizers.Adam(0.5)), LearningRateFinder(1e-4, 1e-1, steps=12, stop_factor=1e9)
    with pytest.raises(RuntimeError, match="training ended"):
        model.fit(Batches(), callbacks=[finder, Stop(steps)], verbose=0)
    model.fit(Batches(), callbacks=[finder], verbose=0)
    assert finder.found is not None
    assert finder.found.rates == pytest.approx(np.geomspace(1e-4, 1e-1, 12).tolist(), rel=1e-5)


def test_an_interrupted_test_does_not_come_back_later():
    model, finder = dropout_model(optimizers.Adam(0.5)), LearningRateFinder(steps=12, stop_factor=1e9)
    with pytest.raises(KeyboardInterrupt):
        model.fit(Batches(), callbacks=[finder, Stop(8, KeyboardInterrupt)], verbose=0)
    model.optimizer.learning_rate = 0.01
    model.fit(Batches(), epochs=3, verbose=0)
    steps = int(model.optimizer.iterations)
    model.fit(Batches(), callbacks=[finder], shuffle=False, verbose=0)
    assert finder.found is not None
    assert len(finder.found.rates) == 12
    assert int(model.optimizer.iterations) == steps + 3


def test_all_of_several_optimizers_get_the_rate():
    several = keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(optimizers.Adam(0.01), {".*kernel": optimizers.SGD(0.02)})
    )
    finder = LearningRateFinder(1e-4, 1e-1, steps=12)
    dropout_model(several).fit(Batches(), callbacks=[finder], verbose=0)
    assert finder.found is not None
    for each in several.optimizers:
        assert float(keras.ops.convert_to_numpy(each.learning_rate)) == pytest.approx(finder.found.suggestion)


def test_a_plateau_may_not_come_between():
    model, plateau = dropout_model(optimizers.Adam(0.5)), kno.callbacks.ReduceOnPlateau(monitor="loss")
    before = weights(model)
    for callbacks in ([LearningRateFinder(steps=12), plateau], [plateau, LearningRateFinder(steps=12)]):
        with pytest.raises(ValueError, match=r"^LearningRateFinder needs a number .*, or in a fit of its own"):
            model.fit(Batches(), callbacks=callbacks, verbose=0)
        assert weights(model) == before


@pytest.mark.parametrize(
    ("optimizer", "options", "steps", "message"),
    [
        (
            lambda: optimizers.Adam(kno.schedules.CosineAnnealing(0.1, 10)),
            {},
            12,
            "LearningRateFinder needs a number as the rate of adam",
        ),
        (optimizers.Adam, {}, 15, "LearningRateFinder.steps must be below the batches of fit, 15; received 15"),
        (
            lambda: optimizers.GradientAccumulation(optimizers.SGD(), 2),
            {},
            14,
            "LearningRateFinder.steps must be at least 20, for a step of the optimizer takes 2 batches; received 14",
        ),
        (
            optimizers.Adam,
            {"steps_per_execution": 3},
            12,
            "LearningRateFinder must see each batch: compile with steps_per_execution=1; received 3",
        ),
    ],
    ids=["schedule", "too few batches", "too few steps", "several batches a call"],
)
def test_it_says_what_it_needs_when_training_starts(optimizer: Any, options: Any, steps: int, message: str):
    if options and keras.backend.backend() == "torch":
        pytest.skip("Keras refuses several steps an execution on torch")
    model = dropout_model(optimizer(), **options)
    before = weights(model)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        model.fit(Batches(), initial_epoch=4, epochs=5, callbacks=[LearningRateFinder(steps=steps)], verbose=0)
    assert weights(model) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minimum": 0.0}, "LearningRateFinder.minimum must be a number > 0; received 0.0"),
        ({"maximum": 1e-9}, "LearningRateFinder.maximum must be above minimum; received 1e-09, minimum 1e-06"),
        ({"steps": 9}, "LearningRateFinder.steps must be an integer >= 10; received 9"),
        (
            {"rule": "best"},
            "LearningRateFinder.rule must be one of 'middle', 'steepest', 'valley', 'minimum'; received 'best'",
        ),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        LearningRateFinder(**options)
