"""After early stopping model and optimizer are those of the best epoch, as if training had ended there."""

import keras
import numpy as np
import pytest

import keras_neural_opt as kno

BEST, PATIENCE = 3, 2


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 3)).astype("float32")
    return x, (x[:, :1] + 1.0).astype("float32")


def several():
    of_kernels = {".*kernel": kno.optimizers.Adam(0.05)}
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1), of_kernels))


OPTIMIZERS = {
    "ours": lambda: kno.optimizers.Adam(0.1, gradient_accumulation_steps=2, nonfinite="skip"),
    "wrapped": lambda: kno.optimizers.Lookahead(kno.optimizers.SGD(0.1, momentum=0.9), 4),
    "native": lambda: keras.optimizers.Adam(0.1),
    "several": several,
}


class Worse(keras.callbacks.Callback):
    """Says that the epochs after the best one are worse, whatever they are."""

    def on_epoch_end(self, epoch, logs=None):
        logs["judged"] = abs(epoch - BEST)


def trained(optimizer, epochs: int, *callbacks):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(optimizer, "mse")
    model.fit(*data(), batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks))
    return model


def everything(model) -> list[np.ndarray]:
    inside = [model.optimizer, *getattr(model.optimizer, "optimizers", ())]
    return [*model.get_weights(), *(v.numpy() for each in inside for v in each.variables)]


@pytest.mark.slow
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_all_is_as_after_the_best_epoch(make):
    stopping = kno.callbacks.EarlyStopping(monitor="judged", patience=PATIENCE, mode="min")
    stopped, short = trained(make(), 20, Worse(), stopping), trained(make(), BEST + 1)
    assert stopping.stopped_epoch == BEST + PATIENCE
    for _ in range(2):  # It also goes on as if nothing had been.
        for a, b in zip(everything(stopped), everything(short), strict=True):
            np.testing.assert_array_equal(a, b)
        for model in (stopped, short):
            model.fit(*data(), batch_size=4, shuffle=False, verbose=0)


@pytest.mark.slow
def test_keras_brings_back_the_weights_alone():
    """When this fails, Keras does it too."""
    settings = {"monitor": "judged", "patience": PATIENCE, "mode": "min", "restore_best_weights": True}
    stopping = keras.callbacks.EarlyStopping(**settings)
    model = trained(keras.optimizers.Adam(0.1), 20, Worse(), stopping)
    assert int(model.optimizer.iterations) == 6 * (BEST + PATIENCE + 1)


@pytest.mark.slow
def test_without_restoring_nothing_goes_back():
    stopping = kno.callbacks.EarlyStopping(monitor="judged", patience=PATIENCE, restore_best_weights=False, mode="min")
    model = trained(kno.optimizers.Adam(0.1), 20, Worse(), stopping)
    assert int(model.optimizer.iterations) == 6 * (BEST + PATIENCE + 1)


@pytest.mark.slow
def test_the_one_call_goes_back_with_the_optimizer():
    x, y = data()
    optimizer = kno.optimizers.SGD(1.5)  # Each step of it is worse than the one before.

    def loss_function(weights, batch):
        return keras.ops.mean((batch[0] @ weights - batch[1]) ** 2)

    start = np.zeros((3, 1), "float32")
    result = kno.train_neural_network(
        loss_function, None, start, (x, y), optimizer, 20, 24, (x, y), early_stopping_patience=2, verbose=0
    )
    assert len(result.history["loss"]) == 3
    assert int(optimizer.iterations) == 1
