"""Scores of networks that were not trained, against NumPy in float64."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt.nas import zero_cost

RNG = np.random.default_rng(3)
X = RNG.normal(size=(6, 4)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2])


def network(activation: str | None = "softmax") -> keras.Model:
    layers = [keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3, activation)]
    model = keras.Sequential(layers)
    model.set_weights([RNG.normal(size=w.shape) for w in model.get_weights()])
    return model


def forward(weights: list[Any], x: Any) -> tuple[Any, Any]:
    w1, b1, w2, b2 = (w.astype("float64") for w in weights)
    hidden = np.maximum(x @ w1 + b1, 0.0)
    return hidden, hidden @ w2 + b2


def test_synflow_is_the_sum_of_magnitudes_times_their_gradients() -> None:
    model = network()
    w1, b1, w2, b2 = (np.abs(w).astype("float64") for w in model.get_weights())
    hidden = np.ones(4) @ w1 + b1
    # Of the last layer R; of the one before what comes through it.
    flow = (hidden @ w2).sum() + b2.sum() + (hidden * w2.sum(1)).sum()
    assert zero_cost(model, X, Y, "sparse_categorical_crossentropy")["synflow"] == pytest.approx(np.log(flow), rel=1e-5)


def test_jacobian_covariance_is_that_of_the_examples_gradients() -> None:
    model = network()
    weights = model.get_weights()
    hidden, _ = forward(weights, X)
    jacobian = ((hidden > 0) * weights[2].sum(1).astype("float64")) @ weights[0].T.astype("float64")
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(jacobian)) + 1e-5
    expected = -np.sum(np.log(eigenvalues) + 1 / eigenvalues)
    found = zero_cost(model, X, Y, "sparse_categorical_crossentropy")["jacobian_covariance"]
    # Of six examples in four dimensions some eigenvalues are zero but for rounding, of which 1e-5 is a part.
    assert found == pytest.approx(expected, rel=0.05)


def test_gradient_norm_is_that_of_the_loss_with_its_activation() -> None:
    model = network()
    weights = model.get_weights()
    hidden, logits = forward(weights, X)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    d2 = (p - np.eye(3)[Y]) / len(X)
    d1 = (d2 @ weights[2].T) * (hidden > 0)
    squares = [(X.T @ d1) ** 2, d1.sum(0) ** 2, (hidden.T @ d2) ** 2, d2.sum(0) ** 2]
    expected = np.sqrt(sum(x.sum() for x in squares))
    assert zero_cost(model, X, Y, "sparse_categorical_crossentropy")["gradient_norm"] == pytest.approx(expected, 1e-4)


def test_nothing_of_the_model_changes() -> None:
    inputs = keras.Input((4,))
    x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(keras.layers.Dense(8, "relu")(inputs)))
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(x))
    before = [np.copy(keras.ops.convert_to_numpy(v)) for v in model.variables]
    first = zero_cost(model, X, Y, "sparse_categorical_crossentropy")
    for was, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(was, keras.ops.convert_to_numpy(variable))
    assert model.layers[-1].activation is keras.activations.softmax
    # The next dropout mask is the same one.
    assert zero_cost(model, X, Y, "sparse_categorical_crossentropy") == first


def test_an_activation_comes_back_after_an_error() -> None:
    model = network()
    with pytest.raises(Exception):  # noqa: B017, PT011  each backend has an error of its own
        zero_cost(model, X[:, :2], Y, "sparse_categorical_crossentropy")
    assert model.layers[-1].activation is keras.activations.softmax


def test_what_is_beyond_float32_is_its_largest_number() -> None:
    model = network(None)
    model.set_weights([np.full(w.shape, 1e30) for w in model.get_weights()])
    scores = zero_cost(model, X, np.ones((6, 3)), "mean_squared_error")
    largest = float(np.finfo("float32").max)
    assert scores["synflow"] == pytest.approx(np.log(largest))
    assert scores["gradient_norm"] == largest
    model.set_weights([np.zeros(w.shape) for w in model.get_weights()])
    assert zero_cost(model, X, np.ones((6, 3)), "mean_squared_error")["jacobian_covariance"] == -largest


def test_tokens_have_no_covariance_and_embeddings_whole_gradients() -> None:
    layers = [keras.Input((5,), dtype="int32"), keras.layers.Embedding(7, 3), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(3, "softmax")])
    tokens = RNG.integers(0, 7, (6, 5))
    scores = zero_cost(model, tokens, Y, "sparse_categorical_crossentropy")
    assert scores["jacobian_covariance"] == 0.0
    table, kernel, bias = (w.astype("float64") for w in model.get_weights())
    features = table[tokens].reshape(6, -1)
    p = np.exp(features @ kernel + bias)
    d = (p / p.sum(1, keepdims=True) - np.eye(3)[Y]) / 6
    rows = np.zeros_like(table)
    np.add.at(rows, tokens.ravel(), (d @ kernel.T).reshape(-1, 3))
    squares = (rows**2).sum() + ((features.T @ d) ** 2).sum() + (d.sum(0) ** 2).sum()
    assert scores["gradient_norm"] == pytest.approx(np.sqrt(squares), rel=1e-4)


def test_a_loss_that_is_a_function_gets_what_compile_would_give_it() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    y = RNG.normal(size=6)

    def squared(y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(keras.ops.square(y_true - y_pred), -1)

    named = zero_cost(model, X, y[:, None], "mean_squared_error")
    assert zero_cost(model, X, y, squared) == pytest.approx(named, rel=1e-6)


def test_a_last_layer_of_softmax_is_left_out_as_a_last_activation_is() -> None:
    one = network()
    two = keras.Sequential([keras.Input((4,)), *network(None).layers, keras.layers.Softmax()])
    two.set_weights(one.get_weights())
    loss = "sparse_categorical_crossentropy"
    assert zero_cost(two, X, Y, loss) == pytest.approx(zero_cost(one, X, Y, loss), rel=1e-5)
