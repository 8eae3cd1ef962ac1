"""What is recommended for a perceptron, a convolutional net, an LSTM, a transformer, a deep net without norms."""

import keras
import numpy as np
import pytest

import keras_neural_opt as kno

layers = keras.layers


def mlp() -> keras.Model:
    return keras.Sequential([keras.Input((8,)), layers.Dense(32, "relu"), layers.Dense(3)])


def conv_net() -> keras.Model:
    block = [layers.Conv2D(8, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
    return keras.Sequential([keras.Input((8, 8, 1)), *block, layers.GlobalAveragePooling2D(), layers.Dense(3)])


def lstm() -> keras.Model:
    return keras.Sequential([keras.Input((6, 4)), layers.Bidirectional(layers.LSTM(8)), layers.Dense(3)])


def transformer() -> keras.Model:
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(20, 8)(inputs)
    normed = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(2, 4)(normed, normed)
    x = x + layers.Dense(8)(layers.Dense(16, "gelu")(layers.LayerNormalization()(x)))
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


def deep() -> keras.Model:
    return keras.Sequential([keras.Input((8,)), *(layers.Dense(32, "relu") for _ in range(24)), layers.Dense(3)])


MODELS = {"mlp": mlp, "conv net": conv_net, "lstm": lstm, "transformer": transformer, "deep": deep}


def said(advice) -> dict[str, str]:
    return {each.topic: each.choice for each in advice.advice}


def test_traits():
    traits = {name: kno.recommend(make()).traits for name, make in MODELS.items()}
    for name, model in ((name, make()) for name, make in MODELS.items()):
        assert traits[name].parameters == sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert [t.recurrent for t in traits.values()] == [False, False, True, False, False]
    assert [t.attention for t in traits.values()] == [False, False, False, True, False]
    assert [t.convolutional for t in traits.values()] == [False, True, False, False, False]
    assert [t.batch_norm for t in traits.values()] == [False, True, False, False, False]
    assert [t.norms for t in traits.values()] == [False, True, False, True, False]
    assert traits["deep"].depth == 25
    assert traits["mlp"].depth == 2
    assert not any(t.dropout for t in traits.values())
    inside = keras.Sequential([keras.Input((6, 4)), layers.LSTM(8, dropout=0.2)])
    assert kno.recommend(inside).traits.dropout
    dense = layers.Dense(8)
    for ours in (kno.layers.ScheduledDropout(0.1), kno.layers.ConcreteDropout(dense, 1e-2)):
        assert kno.recommend(keras.Sequential([keras.Input((4,)), ours, layers.Dense(2)])).traits.dropout


# For each model with 40 epochs: optimizer, rate, options, clipping.
EXPECTED = {
    "mlp": ("adamw", 1e-3, {"weight_decay": 0.01}, None),
    "conv net": ("sgd", 0.1 * 32 / 256, {"momentum": 0.9, "nesterov": True, "weight_decay_mode": "l2"}, None),
    "lstm": ("adamw", 1e-3, {"weight_decay": 0.01}, ("norm", 1.0)),
    "transformer": ("adamw", 1e-3, {"beta_2": 0.98}, ("norm", 1.0)),
    "deep": ("adamw", 1e-3, {}, kno.transforms.AdaptiveGradientClipping),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_training_of_known_length(name: str):
    advice = kno.recommend(MODELS[name](), budget=40)
    optimizer, rate, options, clipping = EXPECTED[name]
    assert advice.optimizer.name == optimizer
    assert advice.optimizer.options["learning_rate"] == pytest.approx(rate)
    assert options.items() <= advice.optimizer.options.items()
    assert advice.optimizer.options["weight_decay_mask"] == "no_norm_no_bias"
    assert advice.gradient_clipping == clipping or isinstance(advice.gradient_clipping, clipping)
    warmup = 1 if name == "transformer" else 0.0
    schedule = kno.create_neural_optimizer(**advice.arguments)._learning_rate.in_steps(10)
    assert schedule(int(10 * warmup)) == pytest.approx(rate)
    assert schedule(int(10 * warmup / 2)) == pytest.approx(rate / 2 if warmup else rate)
    assert schedule(10 * 40) == 0.0
    assert schedule(int(10 * (40 + warmup) / 2)) == pytest.approx(rate / 2)
    assert all(each.reason for each in advice.advice)


def test_an_unknown_end_waits_for_a_plateau():
    for name, make in MODELS.items():
        advice = kno.recommend(make())
        schedule = advice.build()._learning_rate
        assert isinstance(schedule, kno.schedules.ReduceOnPlateau)
        assert isinstance(schedule.schedule, kno.schedules.Warmup) == (name == "transformer")
    assert kno.recommend(conv_net()).optimizer.name == "adamw"
    assert kno.recommend(conv_net(), budget=29).optimizer.name == "adamw"


def test_large_batches():
    lars, lamb = (kno.recommend(make(), batch_size=8192, budget=60) for make in (conv_net, transformer))
    assert (lars.optimizer.name, lars.optimizer.options["learning_rate"]) == ("lars", 6.4)
    assert (lamb.optimizer.name, lamb.optimizer.options["learning_rate"]) == ("lamb", pytest.approx(0.0025))
    assert said(lars)["warm-up"] == said(lamb)["warm-up"] == "5 epochs"
    assert said(kno.recommend(mlp(), batch_size=1024))["warm-up"] == "2 epochs"
    assert said(kno.recommend(mlp(), batch_size=1024, budget=5))["warm-up"] == "1 epoch"
    wide = kno.recommend(mlp(), batch_size=1024)
    assert wide.optimizer.options["learning_rate"] == pytest.approx(2e-3)
    assert wide.build().weight_decay == 0.01


def test_few_samples_want_dropout_where_there_is_none():
    x, y = np.zeros((10, 8), "float32"), np.zeros(10)
    assert said(kno.recommend(mlp(), (x, y)))["dropout"] == "0.5"
    assert said(kno.recommend(lstm(), np.zeros((10, 6, 4))))["dropout"] == "0.2"
    assert said(kno.recommend(transformer(), np.zeros((10, 6))))["dropout"] == "0.1"
    many = np.zeros((1000, 8), "float32"), np.zeros(1000)
    assert "dropout" not in said(kno.recommend(mlp(), many))
    has = keras.Sequential([keras.Input((8,)), layers.Dense(32), layers.Dropout(0.1), layers.Dense(3)])
    assert "dropout" not in said(kno.recommend(has, (x, y)))
    assert kno.recommend(mlp(), many, batch_size=64).steps_per_epoch == 16


class Batches(keras.utils.PyDataset):
    def __getitem__(self, index):
        return np.zeros((8192, 8), "float32"), np.zeros(8192)

    def __len__(self):
        return 2


def test_a_dataset_says_how_large_its_batches_are():
    advice = kno.recommend(mlp(), Batches())
    assert (advice.optimizer.name, advice.steps_per_epoch) == ("lamb", 2)
    assert "dropout" not in said(advice)
    stream = (batch for batch in [np.zeros((8192, 8), "float32")])
    assert kno.recommend(mlp(), stream).optimizer.name == "adamw"  # Nobody may read it ahead of the training.
    assert "dropout" not in said(kno.recommend(mlp(), stream))
    assert len(list(stream)) == 1
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        for fixed in (True, False):
            data = tf.data.Dataset.from_tensor_slices(np.zeros((8192, 8), "float32")).batch(4096, drop_remainder=fixed)
            assert kno.recommend(mlp(), data).optimizer.name == ("lamb" if fixed else "adamw")
    if keras.backend.backend() == "torch":
        import torch

        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(8192, 8)), batch_size=4096)
        assert kno.recommend(mlp(), loader).optimizer.name == "lamb"


def test_what_dropout_layers_learn_is_no_weight():
    wrapped = [kno.layers.ConcreteDropout(layers.Dense(8), 1e-2), kno.layers.VariationalDropout(layers.Dense(4), 1e-2)]
    model = keras.Sequential([keras.Input((4,)), *wrapped, layers.Dense(2)])
    advice = kno.recommend(model)
    assert (advice.traits.parameters, advice.traits.depth) == (40 + 36 + 10, 3)
    rows = kno.regularization.summary(model, advice.build(), print_fn=lambda text: None)
    decayed = {row.path.rpartition("/")[2]: row.decayed for row in rows}
    assert (decayed["kernel"], decayed["rate_logit"], decayed["log_variance"]) == (True, False, False)


def test_small_batches_do_not_go_with_batch_norms():
    assert said(kno.recommend(conv_net(), batch_size=4))["batch norm"] == "GroupNormalization instead"
    assert "batch norm" not in said(kno.recommend(conv_net(), batch_size=32))


def task(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a task of three classes that the model can learn."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 384)
    if name == "transformer":
        return (rng.integers(0, 6, (384, 6)) + 6 * y[:, None]).astype("int32"), y
    if name == "conv net":  # Stripes across, stripes down, a chessboard.
        row, column = np.indices((8, 8)) % 2 - 0.5
        centres = np.stack([row, column, 2 * row * column])[..., None]
    else:
        centres = rng.normal(size=(3, *((6, 4) if name == "lstm" else (8,))))
    return (centres[y] + 0.3 * rng.normal(size=(384, *centres.shape[1:]))).astype("float32"), y


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_it_trains(name: str):
    keras.utils.set_random_seed(1)
    model, (x, y) = MODELS[name](), task(name)
    advice = kno.recommend(model, (x, y), batch_size=16, budget=40)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    result = kno.train_neural_network(
        model, training_data=(x, y), optimizer=advice.build(), epochs=40, batch_size=16, loss=loss, verbose=0
    )
    assert result.final_loss < 0.1  # It was log(3) before the first step.


def test_prints_every_reason(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    advice = kno.recommend(transformer(), budget=10)
    advice.table()
    printed = capsys.readouterr().out
    for each in advice.advice:
        assert each.choice in printed
        assert each.reason in printed


def test_refuses():
    frozen = mlp()
    frozen.trainable = False
    for arguments, message in (
        ((keras.Sequential([layers.Dense(1)]),), "recommend.model must be a Keras model that is built; received <Seq"),
        (("model",), "recommend.model must be a Keras model that is built; received 'model'"),
        ((frozen,), "recommend.model must have something to train"),
        ((mlp(), None, 0), "recommend.batch_size must be None or an integer >= 1; received 0"),
        ((mlp(), None, None, 2.5), "recommend.budget must be None or an integer >= 1; received 2.5"),
        ((mlp(), 7), "recommend.data must be a dataset, an array"),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            kno.recommend(*arguments)
