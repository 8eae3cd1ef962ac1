"""What is said of scale-invariant weights is what NumPy finds in the weights between steps."""

import math
from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt.callbacks._effective_learning_rate import angle, equilibrium
from keras_neural_opt.training._frozen_batch_norm import FrozenCall
from tests.contracts.running import BACKEND
from tests.oracles import angular_update

EffectiveLearningRate = kno.callbacks.EffectiveLearningRate
X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = np.sin(X.sum(1, keepdims=True))


class Watch(keras.callbacks.Callback):
    """Keeps the weights as they are after each batch."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.seen: list[dict[str, np.ndarray]] = []
        self.look()

    def look(self) -> None:
        self.seen.append({v.path: v.numpy().astype("float64").ravel() for v in self.model.trainable_variables})

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.look()


def fit(
    optimizer: Any, watch: Any, epochs: int = 3, others: tuple[Any, ...] = (), **compiled: Any
) -> tuple[list[dict[str, np.ndarray]], Any]:
    """Train for batches of 8: three an epoch."""
    layers = keras.layers
    norm = layers.BatchNormalization(name="norm")
    hidden = [layers.Dense(4, name="first"), norm, layers.Dense(4, name="second")]
    model = keras.Sequential([keras.Input((3,)), *hidden, layers.BatchNormalization(), layers.Dense(1, name="head")])
    model.compile(optimizer, "mse", **compiled)
    weights = Watch()
    history = model.fit(X, Y, 8, epochs, shuffle=False, verbose=0, callbacks=[*others, watch, weights])
    return weights.seen, history.history


def by_name(watch: Any) -> dict[str, dict[str, list[Any]]]:
    return {path.split("/")[-2]: record for path, record in watch.history.items()}


def path_in(seen: dict[str, np.ndarray], name: str) -> str:
    return next(path for path in seen if path.endswith(f"{name}/kernel"))


@pytest.mark.slow
def test_one_sample_an_epoch_of_what_is_found():
    watch = EffectiveLearningRate(log_layers=True)
    seen, logs = fit(kno.optimizers.SGD(0.2, momentum=0.5, weight_decay=0.01), watch)
    records = by_name(watch)
    assert set(records) == {"first", "second"}
    for name, record in records.items():
        path = path_in(seen[0], name)
        # After the first step, and then when epochs begin: batches 1, 3 and 6.
        assert record["step"] == [1, 3, 6]
        for i, step in enumerate(record["step"]):
            before, after = seen[step][path], seen[step + 1][path]
            assert record["norm"][i] == pytest.approx(np.linalg.norm(before), rel=1e-6)
            assert record["effective_learning_rate"][i] == pytest.approx(0.2 / (before @ before), rel=1e-6)
            assert record["angular_update"][i] == pytest.approx(angular_update.angle(before, after), rel=1e-4)
            assert record["equilibrium"][i] == pytest.approx(math.sqrt(2 * 0.2 * 0.01 * 0.5 / 1.5), rel=1e-6)
        assert logs[f"angular_update/{path}"] == record["angular_update"]
    for quantity in ("effective_learning_rate", "angular_update"):
        both = [record[quantity] for record in records.values()]
        np.testing.assert_allclose(logs[quantity], np.median(both, axis=0))


@pytest.mark.slow
def test_accumulated_steps_chosen_weights_and_samples():
    watch = EffectiveLearningRate(weights=["head/kernel"], every=3, power=1)
    seen, logs = fit(kno.optimizers.GradientAccumulation(kno.optimizers.Adam(0.1), steps=2), watch, epochs=4)
    ((name, record),) = by_name(watch).items()
    assert name == "head"
    # Batches 1, 4, 7 and 10, each up to the second after it: every two batches the weight moves once.
    path = path_in(seen[0], "head")
    assert record["step"] == [0, 2, 3, 5]
    for i, batch in enumerate((1, 4, 7, 10)):
        before, after = seen[batch][path], seen[batch + 2][path]
        assert record["angular_update"][i] == pytest.approx(angular_update.angle(before, after), rel=1e-4)
        assert record["effective_learning_rate"][i] == pytest.approx(0.1 / np.linalg.norm(before), rel=1e-6)
    assert record["equilibrium"] == [None] * 4
    assert [name for name in logs if "/" in name] == []


@pytest.mark.slow
def test_multiplied_rates():
    watch, inner = EffectiveLearningRate(), kno.optimizers.SGD(0.2, momentum=0.5, weight_decay=0.01)
    seen, _ = fit(kno.optimizers.LayerwiseLearningRate(inner, {"first": 0.25}), watch, epochs=1)
    for name, record in by_name(watch).items():
        rate, weight = {"first": 0.05, "second": 0.2}[name], seen[1][path_in(seen[0], name)]
        assert record["effective_learning_rate"] == [pytest.approx(rate / (weight @ weight), rel=1e-6)]
        assert record["equilibrium"] == [pytest.approx(math.sqrt(2 * rate * 0.01 * 0.5 / 1.5), rel=1e-6)]


class BetweenHalves(keras.callbacks.Callback):
    """Freezes a norm between the halves of the second sample, and thaws it between those of the third."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.batch = 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.batch == 4:
            self.frozen = FrozenCall(self.model.get_layer("norm"), hold=False)
        if self.batch == 7:
            self.frozen.thaw()
        self.batch += 1


@pytest.mark.slow
def test_norms_that_are_frozen_and_thawed_between():
    watch = EffectiveLearningRate()
    _, logs = fit(kno.optimizers.SGD(0.1), watch, 4, (kno.callbacks.FreezeBatchNorm(1, ["norm$"]),), run_eagerly=True)
    records = by_name(watch)
    assert {name: record["step"] for name, record in records.items()} == {"first": [1], "second": [1, 3, 6, 9]}
    # The median is that of the sample, not of what was seen in former ones.
    assert logs["angular_update"][1:] == records["second"]["angular_update"][1:]

    watch = EffectiveLearningRate()
    _, logs = fit(kno.optimizers.SGD(0.1), watch, 3, (kno.callbacks.FreezeBatchNorm(1),), run_eagerly=True)
    assert len(logs["loss"]) == 3
    assert len(logs["angular_update"]) == 1

    watch = EffectiveLearningRate()
    fit(kno.optimizers.SGD(0.1), watch, 4, (BetweenHalves(),), run_eagerly=True)
    steps = {name: record["step"] for name, record in by_name(watch).items()}
    assert steps == {"first": [1, 3, 9], "second": [1, 3, 6, 9]}


@pytest.mark.slow
def test_what_cannot_be_watched():
    with pytest.raises(ValueError, match=r"EffectiveLearningRate\.weights must be patterns.*received \['nothing'\]"):
        fit("sgd", EffectiveLearningRate(["nothing"]), run_eagerly=True)
    if BACKEND == "torch":  # has no such calls
        return
    with pytest.raises(ValueError, match=r"EffectiveLearningRate must see each batch: compile with steps_per_exec"):
        fit("sgd", EffectiveLearningRate(), steps_per_execution=2, jit_compile=False)


@pytest.mark.parametrize(
    ("kind", "optimizer", "momentum"),
    [
        ("sgd", kno.optimizers.SGD, 0.0),
        ("sgd", kno.optimizers.SGD, 0.9),
        ("sgd_l2", kno.optimizers.SGD, 0.9),
        ("adam", kno.optimizers.AdamW, 0.8),
    ],
)
def test_the_equilibrium_is_where_noise_comes_to(kind: str, optimizer: Any, momentum: float):
    rate, decay = 0.05, 0.1
    options = {"beta_1": momentum} if kind == "adam" else {"momentum": momentum}
    if kind == "sgd_l2":
        options["weight_decay_mode"] = "l2"
    made, weight = optimizer(rate, weight_decay=decay, **options), keras.Variable([1.0, 2.0])
    made.build([weight])
    found = angular_update.turning(kind, rate, decay, momentum, steps=3_000)
    assert equilibrium(made, weight) == pytest.approx(found, rel=0.02)


@pytest.mark.parametrize("mode", ["decoupled", "l2"])
def test_the_equilibrium_where_a_part_of_each_step_is_taken(mode: str):
    made, weight = kno.optimizers.SGD(0.2, 0.5, weight_decay=0.1, weight_decay_mode=mode), keras.Variable([1.0, 2.0])
    kind = "sgd_l2" if mode == "l2" else "sgd"
    found = angular_update.turning(kind, 0.2, 0.1, 0.5, steps=3_000, multiplier=0.25)
    assert equilibrium(made, weight, 0.25) == pytest.approx(found, rel=0.02)
    assert equilibrium(made, weight, 0.0) == 0.0


@pytest.mark.parametrize("optimizer", [kno.optimizers.SGD, kno.optimizers.AdamW])
def test_the_equilibrium_of_a_corrected_decay(optimizer: Any):
    made, weight = optimizer(0.2, weight_decay=0.4, weight_decay_mode="corrected"), keras.Variable([1.0, 2.0])
    made.build([weight])
    momentum = getattr(made, "beta_1", 0.0)

    def expected(rate: float, decay: float) -> Any:
        return pytest.approx(math.sqrt(2.0 * rate * decay * (1.0 - momentum) / (1.0 + momentum)), rel=1e-6)

    assert equilibrium(made, weight) == expected(0.2, 0.4)  # before any step
    made.apply([keras.ops.ones(2)], [weight])
    made.learning_rate = 0.05
    before = weight.numpy()
    made.apply([keras.ops.zeros(2)], [weight])
    assert equilibrium(made, weight) == expected(0.05, 0.4 * 0.05 / 0.2)
    if optimizer is kno.optimizers.SGD:  # what a step without a gradient shrinks by
        np.testing.assert_allclose(weight.numpy() / before, 1.0 - 0.05 * 0.1, rtol=1e-6)


def test_equilibria_that_nobody_knows():
    weight = keras.Variable([1.0, 2.0], name="kernel")
    optimizers = kno.optimizers
    excluding = keras.optimizers.SGD(0.1, weight_decay=0.1)
    excluding.exclude_from_weight_decay(var_names=["kernel"])
    for optimizer in (
        optimizers.SGD(0.1),
        optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
        optimizers.LARS(0.1, weight_decay=0.1),
        optimizers.Adam(0.1, weight_decay=0.1, weight_decay_mode="l2"),
        optimizers.SGD(0.1, weight_decay=0.1, weight_decay_mode="cautious"),
        optimizers.SGD(0.1, weight_decay=0.1, weight_decay_mask=["!kernel"]),
        excluding,
    ):
        assert equilibrium(optimizer, weight) is None
    penalized = keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.05))
    penalized.build((None, 2))
    for package in (optimizers, keras.optimizers):
        assert equilibrium(package.SGD(0.1), penalized.kernel) == pytest.approx(math.sqrt(0.02))
        assert equilibrium(package.SGD(0.1, weight_decay=0.1), weight) == pytest.approx(math.sqrt(0.02))
        assert equilibrium(package.Adam(0.1), penalized.kernel) is None
    schedule = kno.schedules.Constant(0.1)
    assert equilibrium(optimizers.SGD(0.1, weight_decay=schedule), weight) == pytest.approx(math.sqrt(0.02))


def test_angles_are_exact_where_they_are_tiny():
    for tiny in (1e-12, 1e-6, 1.0, math.pi - 1e-9):
        after = 3.0 * np.array([math.cos(tiny), math.sin(tiny)])
        assert angle(np.array([2.0, 0.0]), after) == pytest.approx(tiny, rel=1e-9)
    assert angle(np.zeros(2), np.zeros(2)) == 0.0


def test_the_picture_has_a_line_for_each_weight_and_the_equilibrium():
    watch = EffectiveLearningRate()
    for i in (1.0, 2.0):
        watch.history[f"layer_{i}/kernel"] = {
            "step": [1, 5],
            "norm": [i, 2 * i],
            "effective_learning_rate": [0.1 / i, 0.05 / i],
            "angular_update": [0.02 * i, 0.01 * i],
            "equilibrium": [0.015, 0.015],
        }
    panels = watch.plot().axes
    assert [len(axes.lines) for axes in panels] == [2, 2, 3]
    assert [line.get_ydata().tolist() for line in panels[0].lines] == [[1.0, 2.0], [2.0, 4.0]]
    assert panels[2].lines[-1].get_ydata().tolist() == [0.015, 0.015]
    assert len(EffectiveLearningRate().plot().axes) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": "kernel"}, "weights must be None or a list of regular expressions; received 'kernel'"),
        ({"every": 0}, "every must be None or an integer >= 1; received 0"),
        ({"power": 3}, "power must be an integer from 1 to 2; received 3"),
        ({"log_layers": 1}, "log_layers must be True or False; received 1"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=rf"^EffectiveLearningRate\.{message}"):
        EffectiveLearningRate(**arguments)
