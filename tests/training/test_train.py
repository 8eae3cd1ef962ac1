"""The mission's program on real data, and every kind of data, model and mistake."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt import optimizers, schedules
from keras_neural_opt.api import (
    create_adam_config,
    create_cosine_annealing_scheduler,
    create_neural_optimizer,
    l2_penalty,
    train_neural_network,
)
from tests.oracles.adam import Adam
from tests.oracles.cosine_annealing import CosineAnnealing
from tests.oracles.loop import Loop
from tests.training import softmax_regression as regression

EPOCHS, BATCH_SIZE, SAMPLES = 3, 64, 200
STEPS_PER_EPOCH = 4  # 64, 64, 64 and 8 samples

WAYS = {
    "numpy functions": (regression.numpy_loss, regression.numpy_gradient, {}),
    "backend differentiates": (regression.keras_loss, None, {}),
    "compiled gradient function": (regression.keras_loss, regression.keras_gradient, {"run_eagerly": False}),
}


def mission_optimizer(**options: Any) -> Any:
    return create_neural_optimizer(
        optimizer="adam",
        config=create_adam_config(learning_rate=1e-2, beta1=0.9, beta2=0.999, epsilon=1e-4, weight_decay=1e-1),
        lr_scheduler=create_cosine_annealing_scheduler(T_max=4, eta_min=1e-4, **options),
        gradient_clipping=("norm", 1.0),
    )


def mission_twin(start_epochs: int = 0) -> Loop:
    schedule = CosineAnnealing(1e-2, 4 * STEPS_PER_EPOCH, 1e-4, start_step=start_epochs * STEPS_PER_EPOCH)
    return Loop(Adam(epsilon=1e-4), learning_rate=schedule, weight_decay=1e-1, global_clipnorm=1.0)


def train(loss: Any, gradient: Any, data: Any, optimizer: Any, **options: Any) -> Any:
    options = {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "shuffle": False, "verbose": 0} | options
    return train_neural_network(loss, gradient, regression.initial_weights(), data, optimizer, **options)


def sgd() -> Any:
    return optimizers.SGD(0.1)


def assert_same_weights(weights: Any, expected: Any) -> None:
    # 1e-5 of the largest displacement, as in every optimizer's own contract; and each step rounds a weight of up to 1
    # twice, after the decay and after the update, by at most 2**-25.
    start = regression.initial_weights()
    displacement = max(np.abs(expected[name] - start[name]).max() for name in expected)
    tolerance = 1e-5 * displacement + EPOCHS * STEPS_PER_EPOCH * 2 * 2**-25
    assert weights.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(weights[name], expected[name], rtol=0, atol=tolerance)


@pytest.mark.parametrize("way", WAYS)
def test_the_mission_program_equals_its_float64_twin(way: str):
    loss, gradient, options = WAYS[way]
    data = regression.digits(SAMPLES)
    result = train(loss, gradient, data, mission_optimizer(), validation_data=data, **options)
    weights, history = regression.train_by_hand(mission_twin(), data, EPOCHS, BATCH_SIZE)
    assert_same_weights(result.weights, weights)
    # Mean over samples, although the last batch is smaller: one float32 mean of numbers near 2 is good to 1e-6.
    np.testing.assert_allclose(result.history["loss"], history, rtol=2e-6)
    assert result.history["val_loss"][-1] == pytest.approx(regression.numpy_loss(weights, data), rel=2e-6)


def test_last_epoch_continues_the_schedule_in_epochs():
    data = regression.digits(SAMPLES)
    result = train(regression.keras_loss, None, data, mission_optimizer(last_epoch=1))
    weights, _ = regression.train_by_hand(mission_twin(start_epochs=2), data, EPOCHS, BATCH_SIZE)
    assert_same_weights(result.weights, weights)


@pytest.mark.parametrize(
    ("make", "decay_steps"),
    [
        (lambda scheduler: create_neural_optimizer("sgd", lr_scheduler=scheduler), 4 * STEPS_PER_EPOCH),
        (lambda scheduler: create_neural_optimizer("sgd", lr_scheduler=scheduler, steps_per_epoch=7), 4 * 7),
        (
            lambda scheduler: create_neural_optimizer("sgd", lr_scheduler=scheduler, gradient_accumulation_steps=2),
            4 * STEPS_PER_EPOCH // 2,
        ),
        (lambda scheduler: create_neural_optimizer("sgd", lr_scheduler=schedules.CosineAnnealing(0.1, 5)), 5),
    ],
    ids=["open", "steps given", "accumulated", "user's own"],
)
def test_only_an_open_schedule_counts_epochs(make: Callable[[Any], Any], decay_steps: int):
    optimizer = make(create_cosine_annealing_scheduler(T_max=4))
    train(regression.keras_loss, None, regression.digits(SAMPLES), optimizer, epochs=1)
    assert optimizer.get_config()["learning_rate"]["config"]["decay_steps"] == decay_steps


def test_an_open_schedule_counts_the_steps_of_a_wrapper_that_accumulates():
    inner = create_neural_optimizer("sgd", lr_scheduler=create_cosine_annealing_scheduler(T_max=4))
    optimizer = optimizers.Lookahead(optimizers.GradientAccumulation(inner, 2))
    train(regression.keras_loss, None, regression.digits(SAMPLES), optimizer, epochs=1)
    assert inner.get_config()["learning_rate"]["config"]["decay_steps"] == 4 * STEPS_PER_EPOCH // 2


# ---- Data


class Dataset(keras.utils.PyDataset):
    def __len__(self) -> int:
        return STEPS_PER_EPOCH

    def __getitem__(self, index: int) -> Any:
        return list(regression.batches(regression.digits(SAMPLES), BATCH_SIZE))[index]


def tf_dataset() -> Any:
    tf = pytest.importorskip("tensorflow", reason="tf.data is a part of TensorFlow")
    return tf.data.Dataset.from_tensor_slices(regression.digits(SAMPLES)).batch(BATCH_SIZE)


def data_loader() -> Any:
    torch = pytest.importorskip("torch", reason="DataLoader is a part of torch")
    tensors = [torch.tensor(array) for array in regression.digits(SAMPLES)]
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*tensors), batch_size=BATCH_SIZE)


def generator() -> Iterator[Any]:
    while True:
        yield from regression.batches(regression.digits(SAMPLES), BATCH_SIZE)


def lists() -> Any:
    return list(regression.digits(SAMPLES))


@pytest.mark.parametrize("make", [Dataset, tf_dataset, data_loader, generator, lists])
def test_every_kind_of_data_gives_the_same_weights(make: Callable[[], Any]):
    expected = train(regression.keras_loss, None, regression.digits(SAMPLES), sgd())
    length = {"steps_per_epoch": STEPS_PER_EPOCH} if make is generator else {}
    result = train(regression.keras_loss, None, make(), sgd(), **length)
    for name, weights in expected.weights.items():
        np.testing.assert_allclose(result.weights[name], weights, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(result.history["loss"], expected.history["loss"], rtol=1e-6)


def test_batches_have_the_structure_of_the_data_and_weights_theirs():
    images, labels = regression.digits(SAMPLES)
    data = {"inputs": {"left": images[:, :32], "right": images[:, 32:]}, "labels": (labels,)}
    start = regression.initial_weights()
    nested = [(start["kernel"][:32], start["kernel"][32:]), {"bias": start["bias"]}]

    def loss(weights: Any, batch: Any) -> Any:
        (left, right), rest = weights
        flat = {"kernel": keras.ops.concatenate([left, right]), "bias": rest["bias"]}
        joined = keras.ops.concatenate([batch["inputs"]["left"], batch["inputs"]["right"]], axis=1)
        return regression.keras_loss(flat, (joined, batch["labels"][0]))

    options = {"epochs": 1, "batch_size": BATCH_SIZE, "shuffle": False, "verbose": 0}
    (left, right), rest = train_neural_network(loss, None, nested, data, sgd(), **options).weights
    expected = train(regression.keras_loss, None, (images, labels), sgd(), epochs=1).weights
    np.testing.assert_allclose(np.concatenate([left, right]), expected["kernel"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(rest["bias"], expected["bias"], rtol=1e-6, atol=1e-7)


def test_a_single_array_of_weights_and_of_data():
    result = train_neural_network(
        lambda w, batch: keras.ops.mean(keras.ops.square(batch - w)),
        None,
        np.zeros(()),
        np.array([1.0, 3.0]),
        optimizers.SGD(0.5),
        epochs=1,
        verbose=0,
    )
    # The gradient is -2 * mean(batch - w) = -4, so one step of 0.5 reaches the mean exactly.
    assert result.weights == 2.0
    assert result.history["loss"] == [5.0]


def test_functions_on_numpy_may_change_their_weights():
    def vandal(weights: Any, batch: Any) -> Any:
        gradients = regression.numpy_gradient(weights, batch)
        weights["kernel"] *= 0.0
        return gradients

    data = regression.digits(SAMPLES)
    result = train(regression.numpy_loss, vandal, data, sgd(), epochs=1)
    expected = train(regression.numpy_loss, regression.numpy_gradient, data, sgd(), epochs=1)
    np.testing.assert_array_equal(result.weights["kernel"], expected.weights["kernel"])


def test_l2_penalty_serves_numpy_and_compiled_losses():
    def penalized(loss: Any) -> Any:
        return lambda weights, batch: loss(weights, batch) + l2_penalty(weights, 0.5)

    def gradient(weights: Any, batch: Any) -> Any:
        return {name: g + weights[name] for name, g in regression.numpy_gradient(weights, batch).items()}

    data = regression.digits(SAMPLES)
    compiled = train(penalized(regression.keras_loss), None, data, sgd(), epochs=1)
    by_hand = train(penalized(regression.numpy_loss), gradient, data, sgd(), epochs=1)
    # Four float32 steps of weights below 2.
    np.testing.assert_allclose(compiled.weights["kernel"], by_hand.weights["kernel"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(compiled.history["loss"], by_hand.history["loss"], rtol=2e-6)


# ---- Keras models


def network() -> Any:
    return keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, activation="softmax")])


def test_a_keras_model_equals_its_functions():
    images, labels = regression.digits(SAMPLES)
    start = list(regression.initial_weights().values())
    model = network()
    options = {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "shuffle": False, "verbose": 0}
    result = train_neural_network(
        model, None, start, (images, labels), sgd(), loss="sparse_categorical_crossentropy", **options
    )
    expected = train(regression.numpy_loss, regression.numpy_gradient, (images, labels), sgd())
    np.testing.assert_allclose(result.weights[0], expected.weights["kernel"], atol=2e-6)
    np.testing.assert_allclose(result.history["loss"], expected.history["loss"], rtol=2e-6)
    np.testing.assert_array_equal(model.get_weights()[0], result.weights[0])


def test_a_compiled_model_keeps_its_loss_and_metrics_and_may_train_on():
    model, data = network(), regression.digits(SAMPLES)
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    optimizer = optimizers.SGD(0.1)
    first = train_neural_network(model, None, None, data, optimizer, epochs=1, verbose=0)
    assert set(first.history) == {"loss", "accuracy"}
    second = train_neural_network(model, None, None, data, optimizer, epochs=1, verbose=0)
    assert second.final_loss < first.final_loss
    assert int(optimizer.iterations) == 2 * 7  # 200 samples in batches of 32


# ---- Stopping, repeating, callbacks


def test_early_stopping_returns_the_best_weights():
    # The loss of the constant gradient falls until w passes 3 and then rises for ever.
    def loss(w: Any, batch: Any) -> Any:
        return np.abs(w - 3.0)

    def gradient(w: Any, batch: Any) -> Any:
        return np.full_like(w, -1.0)

    result = train_neural_network(
        loss,
        gradient,
        np.zeros(()),
        np.ones(4),
        optimizers.SGD(1.0),
        epochs=50,
        validation_data=np.ones(4),
        early_stopping_patience=2,
        verbose=0,
    )
    assert result.history["val_loss"] == [2.0, 1.0, 0.0, 1.0, 2.0]
    assert result.epochs_run == 5
    assert result.weights == 3.0


def test_a_seed_repeats_the_shuffling():
    def weights(seed: int) -> Any:
        options = {"shuffle": True, "seed": seed, "epochs": 1}
        return train(regression.keras_loss, None, regression.digits(SAMPLES), sgd(), **options).weights["kernel"]

    first = weights(seed=1)
    np.testing.assert_array_equal(first, weights(seed=1))
    assert np.abs(first - weights(seed=2)).max() > 1e-4


def test_callbacks_of_the_user_are_called():
    epochs: list[int] = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    train(regression.keras_loss, None, regression.digits(SAMPLES), sgd(), callbacks=[callback])
    assert epochs == [0, 1, 2]


def test_an_optimizer_may_be_a_name():
    result = train(regression.keras_loss, None, regression.digits(SAMPLES), "radam", epochs=1)
    assert result.epochs_run == 1


def test_a_skipped_gradient_leaves_the_loss_readable():
    def gradient(weights: Any, batch: Any) -> Any:
        return {name: np.full_like(w, np.inf) for name, w in weights.items()}

    optimizer = optimizers.SGD(0.1, nonfinite="skip")
    result = train(regression.numpy_loss, gradient, regression.digits(SAMPLES), optimizer, epochs=1)
    np.testing.assert_array_equal(result.weights["bias"], regression.initial_weights()["bias"].astype("float32"))
    assert np.isfinite(result.final_loss)


# ---- Mistakes

DATA = regression.digits(8)
GOOD: dict[str, Any] = {
    "loss_function": regression.keras_loss,
    "gradient_function": None,
    "initial_weights": regression.initial_weights(),
    "training_data": DATA,
    "optimizer": "sgd",
    "epochs": 1,
    "verbose": 0,
}

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"epochs": 0}, "train_neural_network.epochs must be an integer >= 1; received 0"),
    ({"epochs": 1.5}, "train_neural_network.epochs must be an integer >= 1; received 1.5"),
    ({"batch_size": 0}, "train_neural_network.batch_size must be an integer >= 1; received 0"),
    ({"batch_size": -32}, "train_neural_network.batch_size must be an integer >= 1; received -32"),
    ({"shuffle": "yes"}, "train_neural_network.shuffle must be True or False; received 'yes'"),
    ({"seed": -1}, "train_neural_network.seed must be None or an integer from 0 to 4294967295; received -1"),
    ({"verbose": 3}, "TrainingProgress.verbose must be an integer from 0 to 2; received 3"),
    (
        {"early_stopping_patience": 0},
        "train_neural_network.early_stopping_patience must be None or an integer >= 1; received 0",
    ),
    (
        {"training_data": (DATA[0], DATA[1][:3])},
        "train_neural_network.training_data must have arrays of one length, above 0; received lengths 8, 3",
    ),
    (
        {"training_data": (DATA[0][:0], DATA[1][:0])},
        "train_neural_network.training_data must have arrays of one length, above 0; received lengths 0, 0",
    ),
    ({"training_data": None}, "train_neural_network.training_data must be a dataset, an array, or tuples, lists and"),
    ({"training_data": 3.0}, "train_neural_network.training_data must be a dataset, an array, or tuples, lists and"),
    ({"training_data": iter([DATA])}, "train_neural_network.training_data must be a generator where it is an iterator"),
    (
        {"validation_data": (DATA[0], DATA[1][:3])},
        "train_neural_network.validation_data must have arrays of one length",
    ),
    ({"training_data": generator()}, "train_neural_network.steps_per_epoch must be given for data that does not know"),
    ({"initial_weights": None}, "train_neural_network.initial_weights must be an array, or lists, tuples and"),
    ({"initial_weights": {}}, "train_neural_network.initial_weights must be an array, or lists, tuples and"),
    ({"initial_weights": {"kernel": "zeros"}}, "train_neural_network.initial_weights must be an array, or lists,"),
    (
        {"loss_function": "mse"},
        "train_neural_network.loss_function must be a function or a Keras model; received 'mse'",
    ),
    ({"gradient_function": 1}, "train_neural_network.gradient_function must be None or a function; received 1"),
    ({"loss": "mse"}, "train_neural_network.loss must be None unless a Keras model is trained; received 'mse'"),
    ({"optimizer": 0.1}, "train_neural_network.optimizer must be a name or a Keras optimizer; received 0.1"),
    ({"optimizer": "adm"}, "optimizer must be a known name; received 'adm'; did you mean adam?"),
    (
        {"loss_function": network(), "gradient_function": len},
        "train_neural_network.gradient_function must be None when a Keras model is trained; received <built-in",
    ),
    (
        {"loss_function": network(), "initial_weights": None},
        "train_neural_network.loss must be a Keras loss or its name where the model was not compiled with one",
    ),
    (
        {"loss_function": lambda w, b: keras.ops.sum(w["kernel"], axis=0)},
        "loss_function must return a scalar, the mean over the batch; received shape (10,)",
    ),
    ({"loss_function": lambda w, b: 1.0}, "loss_function must return a tensor that the backend can differentiate"),
    (
        {"loss_function": regression.numpy_loss, "gradient_function": lambda w, b: w["bias"]},
        "gradient_function must return a gradient for each weight, in the structure of the weights",
    ),
    (
        {
            "loss_function": regression.numpy_loss,
            "gradient_function": lambda w, b: {"kernel": w["kernel"], "bias": np.zeros(3)},
        },
        "gradient_function must return gradients of the weights' shapes; received (3,) for weight 0 of shape (10,)",
    ),
]


@pytest.mark.parametrize(("mistake", "text"), MISTAKES, ids=[text[:70] for _, text in MISTAKES])
def test_mistakes_are_explained(mistake: dict[str, Any], text: str):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        train_neural_network(**(GOOD | mistake))


def test_a_used_optimizer_is_refused():
    optimizer = sgd()
    train(regression.keras_loss, None, DATA, optimizer, epochs=1)
    with pytest.raises(ValueError, match=r"train_neural_network.optimizer must be new for each training"):
        train(regression.keras_loss, None, DATA, optimizer, epochs=1)


def test_a_loss_in_numpy_without_gradient_gets_a_hint():
    with pytest.raises(Exception) as caught:  # noqa: PT011  each backend has its own error; the note is ours
        train(regression.numpy_loss, None, DATA, sgd(), epochs=1)
    assert "compute the loss with keras.ops" in " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


@pytest.mark.slow
def test_a_compiled_model_keeps_its_loss_weights():
    inputs = keras.Input((2,))
    outputs = {name: keras.layers.Dense(1, name=name)(inputs) for name in ("a", "b")}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", loss={"a": "mse", "b": "mse"}, loss_weights={"a": 1.0, "b": 0.0})
    before = model.get_layer("b").get_weights()[0]
    data = (np.ones((8, 2), "float32"), {name: np.zeros((8, 1), "float32") for name in ("a", "b")})
    kno.train_neural_network(model, None, None, data, kno.optimizers.SGD(0.1), epochs=1, verbose=0)
    np.testing.assert_array_equal(model.get_layer("b").get_weights()[0], before)


def test_an_open_unit_survives_the_config_and_a_loss_scale():
    from keras_neural_opt.training._epochs import count_epochs

    scheduler = kno.create_cosine_annealing_scheduler(T_max=10)
    optimizer = kno.create_neural_optimizer("sgd", lr_scheduler=scheduler)
    again = type(optimizer).from_config(optimizer.get_config())
    count_epochs("test", keras.optimizers.LossScaleOptimizer(again), 7)
    assert again._learning_rate.get_config()["decay_steps"] == 70
    assert not again._learning_rate.counts_epochs
    closed = kno.create_neural_optimizer("sgd", lr_scheduler=scheduler, steps_per_epoch=7)
    assert closed._learning_rate.get_config() == again._learning_rate.get_config()
