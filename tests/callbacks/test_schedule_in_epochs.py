"""Schedules written in epochs learn in `fit` how long one is."""

from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt import optimizers, schedules

X = np.linspace(-1.0, 1.0, 48, dtype="float32").reshape(24, 2)
BATCH, BATCHES = 4, 6


def in_epochs() -> schedules.Schedule:
    return schedules.Warmup(schedules.LinearDecay(0.5, 1.5, 0.1, unit="epoch"), 0.5, unit="epoch")


def in_steps(per_epoch: int) -> schedules.Schedule:
    return schedules.Warmup(schedules.LinearDecay(0.5, 3 * per_epoch // 2, 0.1), per_epoch // 2)


def weights_after_fit(optimizer: Any, epochs: int = 3, callbacks: Any = (), data: Any = None) -> Any:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(optimizer, "mse")
    arguments = {"x": X, "y": X[:, :1] * 3, "batch_size": BATCH} if data is None else {"x": data}
    model.fit(**arguments, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks))
    return np.concatenate([w.ravel() for w in model.get_weights()])


def test_fit_counts_epochs():
    told = weights_after_fit(optimizers.SGD(in_epochs()), callbacks=[kno.callbacks.ScheduleInEpochs()])
    np.testing.assert_array_equal(told, weights_after_fit(optimizers.SGD(in_steps(BATCHES))))


def test_native_optimizers_learn_it_too():
    told = weights_after_fit(keras.optimizers.Adam(in_epochs()), callbacks=[kno.callbacks.ScheduleInEpochs()])
    np.testing.assert_array_equal(told, weights_after_fit(keras.optimizers.Adam(in_steps(BATCHES))))


def test_accumulated_steps_are_fewer():
    accumulated = optimizers.Lookahead(optimizers.SGD(in_epochs(), gradient_accumulation_steps=3))
    told = weights_after_fit(accumulated, callbacks=[kno.callbacks.ScheduleInEpochs()])
    twin = optimizers.Lookahead(optimizers.SGD(in_steps(BATCHES // 3), gradient_accumulation_steps=3))
    np.testing.assert_array_equal(told, weights_after_fit(twin))


def test_weight_decay_counts_epochs():
    def optimizer(decay: Any) -> Any:
        return optimizers.AdamW(0.01, weight_decay=decay)

    told = weights_after_fit(optimizer(in_epochs()), callbacks=[kno.callbacks.ScheduleInEpochs()])
    np.testing.assert_array_equal(told, weights_after_fit(optimizer(in_steps(BATCHES))))


def test_a_later_fit_keeps_the_length_of_the_first():
    schedule, callback = in_epochs(), kno.callbacks.ScheduleInEpochs()
    optimizer = optimizers.SGD(schedule)
    weights_after_fit(optimizer, callbacks=[callback])
    assert schedule.counts_epochs, "the user's own object was changed"
    assert optimizer._learning_rate.get_config()["warmup_steps"] == BATCHES // 2
    kno.training._epochs.count_epochs("test", optimizer, 100)
    assert optimizer._learning_rate.get_config()["warmup_steps"] == BATCHES // 2


def test_without_the_callback_the_error_says_what_to_do():
    with pytest.raises(Exception, match=r"Warmup.unit is 'epoch'.*ScheduleInEpochs"):
        weights_after_fit(optimizers.SGD(in_epochs()))


def batches() -> Any:
    for _ in range(3 * BATCHES):
        yield X[:BATCH], X[:BATCH, :1]


def test_data_of_unknown_length_is_refused_before_anything_moves():
    callback = kno.callbacks.ScheduleInEpochs()
    with pytest.raises(ValueError, match=r"ScheduleInEpochs.steps_per_epoch must be given"):
        weights_after_fit(optimizers.SGD(in_epochs()), callbacks=[callback], data=batches())


def test_the_length_can_be_given():
    optimizer = optimizers.SGD(in_epochs())
    weights_after_fit(optimizer, callbacks=[kno.callbacks.ScheduleInEpochs(steps_per_epoch=20)])
    assert optimizer._learning_rate.get_config()["warmup_steps"] == 10
    for bad in (0, 1.5, "2", True):
        with pytest.raises(ValueError, match=r"^ScheduleInEpochs.steps_per_epoch must be None or an integer >= 1"):
            kno.callbacks.ScheduleInEpochs(steps_per_epoch=bad)


def test_train_neural_network_needs_no_callback():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
    options = {"loss": "mse", "shuffle": False, "verbose": 0, "batch_size": BATCH, "epochs": 3}
    result = kno.train_neural_network(model, None, None, (X, X[:, :1] * 3), optimizers.SGD(in_epochs()), **options)
    weights = np.concatenate([w.ravel() for w in result.weights])
    np.testing.assert_array_equal(weights, weights_after_fit(optimizers.SGD(in_steps(BATCHES))))
