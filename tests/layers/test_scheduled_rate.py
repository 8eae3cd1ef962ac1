"""The rate that a layer used, seen in its outputs, is that of the schedule; it is counted, saved and resumed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import keras_neural_opt as kno
from keras_neural_opt import layers, schedules
from tests.layers.probe import BACKEND, BATCH, FIT_WAYS, WIDTH, Probe, assert_used, data, probed

native_schedules = keras.optimizers.schedules
SCHEDULES: dict[str, Any] = {
    "curriculum": schedules.CurriculumDropout(0.5, 10),
    "early": schedules.EarlyDropout(0.5, 5, "linear"),
    "joined": schedules.Join([0.0, schedules.StepDecay(0.5, 2, 0.5)], [2]),
    "native": native_schedules.PolynomialDecay(0.5, 6, 0.1),
}
KINDS: dict[type, tuple[int, ...]] = {
    layers.ScheduledDropout: (4, 8),
    layers.ScheduledGaussianDropout: (4, 8),
    layers.ScheduledSpatialDropout1D: (4, 3, 8),
    layers.ScheduledSpatialDropout2D: (4, 3, 3, 8),
    layers.ScheduledSpatialDropout3D: (4, 2, 2, 2, 8),
}
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def rate_of(schedule: Any) -> Callable[[int], float]:
    return lambda step: float(schedule(step))


def numbers(values: Any) -> Any:
    return ops.convert_to_numpy(values)


def state_of(layer: Any) -> list[Any]:
    return [numbers(v).tolist() for v in layer.variables]


# ---- The rate of each step


@pytest.mark.slow
@pytest.mark.parametrize("way", FIT_WAYS)
@pytest.mark.parametrize("name", ["curriculum", "native"])
def test_fit_uses_the_rate_of_each_step(name: str, way: str):
    schedule = SCHEDULES[name]
    layer = layers.ScheduledDropout(schedule)
    model = probed(layer)
    model.compile("sgd", "mse", **FIT_WAYS[way])
    x, y = data(4)
    for _ in range(2):  # The second `fit` goes on where the first ended.
        model.fit(x, y, BATCH, epochs=1, validation_data=(x, y), verbose=0)
    assert int(layer.calls) == 8
    assert float(layer.rate) == pytest.approx(float(schedule(7)), rel=3e-7)
    assert len(model.get_layer("probe").rows()) == 8
    assert_used(model.get_layer("probe").rows(), rate_of(schedule))


@pytest.mark.slow
@pytest.mark.skipif(BACKEND == "torch", reason="Keras on torch compiles no steps together")
def test_several_steps_in_one_execution():
    layer = layers.ScheduledDropout(SCHEDULES["curriculum"])
    model = probed(layer)
    model.compile("sgd", "mse", steps_per_execution=3)
    model.fit(*data(6), BATCH, epochs=1, verbose=0)
    assert len(model.get_layer("probe").rows()) == int(layer.calls) == 6
    assert_used(model.get_layer("probe").rows(), rate_of(SCHEDULES["curriculum"]))


def stepper(layer: Any, shape: Any = None) -> tuple[Callable[[Any], Any], list[int]]:
    """Return a compiled training call, and a list of its traces."""
    traces: list[int] = []
    if BACKEND == "jax":
        import jax

        @jax.jit
        def pure(values: list[Any], x: Any) -> Any:
            traces.append(1)
            return layer.stateless_call([], values, x, training=True)

        def step(x: Any) -> Any:
            outputs, values = pure([v.value for v in layer.non_trainable_variables], x)
            for variable, value in zip(layer.non_trainable_variables, values, strict=True):
                variable.assign(value)
            return outputs

        return step, traces
    if BACKEND == "torch":
        return lambda x: layer(x, training=True), traces
    import tensorflow as tf

    signature = None if shape is None else [tf.TensorSpec(shape, "float32")]

    @tf.function(jit_compile=shape is None, input_signature=signature)
    def compiled(x: Any) -> Any:
        traces.append(1)
        return layer(x, training=True)

    return compiled, traces


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_custom_loop_uses_the_rate_of_each_step(name: str):
    layer, probe = layers.ScheduledDropout(SCHEDULES[name]), Probe()
    step, traces = stepper(layer)
    for _ in range(8):
        probe(step(ops.ones((BATCH, WIDTH))), training=True)
    assert_used(probe.rows(), rate_of(SCHEDULES[name]))
    assert len(traces) == (BACKEND != "torch")


@every_kind
def test_a_custom_loop_is_compiled_once(kind: type):
    schedule = schedules.LateDropout(0.5, 3)
    layer, x = kind(schedule), np.ones(KINDS[kind], "float32")
    step, traces = stepper(layer)
    changed = [bool(np.any(numbers(step(ops.convert_to_tensor(x))) != x)) for _ in range(6)]
    assert changed == [False] * 3 + [True] * 3
    assert int(layer.calls) == 6
    assert len(traces) == (BACKEND != "torch")


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow traces unknown sizes")
@every_kind
def test_a_graph_need_not_know_the_size_of_a_batch(kind: type):
    layer, shape = kind(schedules.Constant(0.5)), KINDS[kind]
    step, traces = stepper(layer, (None, *shape[1:]))
    for size in (3, 5):
        assert step(ops.ones((size, *shape[1:]))).shape[0] == size
    assert len(traces) == 1


def test_inference_counts_nothing_and_changes_nothing():
    layer = layers.ScheduledDropout(schedules.Constant(0.5))
    x, before = np.ones((4, 8), "float32"), state_of(layer)
    for training in (False, None):
        np.testing.assert_array_equal(numbers(layer(x, training=training)), x)
    model = keras.Sequential([keras.Input((8,)), layer])
    model.predict(x, verbose=0)
    layer(keras.Input((8,)), training=True)  # Nothing runs while a model is built.
    assert state_of(layer) == before


def test_a_layer_that_is_called_twice_counts_two():
    schedule = schedules.CurriculumDropout(0.5, 10)
    layer, probe = layers.ScheduledDropout(schedule), Probe()
    x = np.ones((BATCH, WIDTH), "float32")
    for _ in range(3):
        for _ in range(2):
            probe(layer(x, training=True), training=True)
    assert int(layer.calls) == 6
    assert_used(probe.rows(), rate_of(schedule))


def test_the_count_stands_still_before_it_overflows():
    schedule = schedules.LateDropout(0.5, 2**30 - 1)
    layer = layers.ScheduledDropout(schedule)
    layer.calls.assign(2**31 - 2)
    for _ in range(3):
        layer(np.ones((2, 2), "float32"), training=True)
    assert int(layer.calls) == 2**31 - 1
    assert float(layer.rate) == 0.5


@pytest.mark.slow
def test_replicas_count_a_step_once(mirrored: Any):
    import tensorflow as tf

    with mirrored.scope():
        layer = layers.ScheduledDropout(schedules.CurriculumDropout(0.5, 10))
        model = keras.Sequential([keras.Input((WIDTH,)), layer, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    model.fit(tf.data.Dataset.from_tensor_slices(data(4)).batch(BATCH), epochs=1, verbose=0, shuffle=False)
    assert layer.calls.numpy() == 4


# ---- A rate that is set


@pytest.mark.slow
@pytest.mark.parametrize("way", FIT_WAYS)
def test_a_rate_that_is_set_reaches_the_compiled_step(way: str):
    layer = layers.ScheduledDropout(0.25)
    model = probed(layer)
    model.compile("sgd", "mse", **FIT_WAYS[way])
    for rate in (0.25, 0.5, 0.0):
        layer.rate = rate
        model.fit(*data(1), BATCH, epochs=1, verbose=0)
    assert int(layer.calls) == 0
    assert_used(model.get_layer("probe").rows(), [0.25, 0.5, 0.0].__getitem__)


@pytest.mark.parametrize("bad", [1.0, -0.1, float("nan"), "0.5", None, True, schedules.Constant(0.5)])
def test_only_a_rate_can_be_set(bad: Any):
    layer = layers.ScheduledDropout(0.25)
    with pytest.raises(ValueError, match=r"^ScheduledDropout.rate must be a number in \[0, 1\); received"):
        layer.rate = bad
    assert float(layer.rate) == 0.25


def test_a_rate_that_follows_a_schedule_cannot_be_set():
    layer = layers.ScheduledDropout(schedules.Constant(0.5))
    with pytest.raises(
        ValueError, match=r"^ScheduledDropout.rate must follow its schedule <.*Constant.*; received 0.1"
    ):
        layer.rate = 0.1
    assert float(layer.rate) == 0.5


# ---- Saved and made again


@every_kind
@pytest.mark.parametrize("rate", [0.3, SCHEDULES["joined"], SCHEDULES["native"]], ids=["number", "ours", "native"])
def test_makes_itself_again_from_its_config(kind: type, rate: Any):
    layer = kind(rate, seed=3, name="mine", dtype="mixed_bfloat16")
    data = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(data)
    assert type(again) is kind
    assert again.get_config() == layer.get_config()
    assert state_of(again) == state_of(layer)
    clone = kind.from_config(layer.get_config())
    assert clone.get_config() == layer.get_config()
    assert (clone.name, clone.dtype_policy.name) == ("mine", "mixed_bfloat16")


@every_kind
def test_a_file_keeps_rate_count_and_random_numbers(kind: type, tmp_path: Path):
    def model() -> Any:
        return keras.Sequential([keras.Input(KINDS[kind][1:]), kind(schedules.CurriculumDropout(0.5, 10))])

    saved, x = model(), np.ones(KINDS[kind], "float32")
    for _ in range(3):
        saved(x, training=True)
    saved.save(tmp_path / "model.keras")
    saved.save_weights(tmp_path / "model.weights.h5")
    resumed = [keras.saving.load_model(tmp_path / "model.keras"), model()]
    resumed[1].load_weights(tmp_path / "model.weights.h5")
    for each in resumed:
        assert state_of(each.layers[0]) == state_of(saved.layers[0])
    for _ in range(3):
        expected = numbers(saved(x, training=True))
        for each in resumed:
            np.testing.assert_array_equal(numbers(each(x, training=True)), expected)


@pytest.mark.slow
def test_a_resumed_training_is_the_uninterrupted_one(tmp_path: Path):
    def model() -> Any:
        keras.utils.set_random_seed(5)
        made = keras.Sequential([
            keras.Input((16,)), layers.ScheduledDropout(SCHEDULES["curriculum"]), keras.layers.Dense(1),
        ])  # fmt: skip
        made.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse")
        return made

    x = np.random.default_rng(0).normal(size=(64, 16)).astype("float32")

    def train(some: Any, epochs: int) -> Any:
        some.fit(x, x[:, :1], 16, epochs=epochs, shuffle=False, verbose=0)
        return some

    whole, first = train(model(), 2), train(model(), 1)
    first.save(tmp_path / "half.keras")
    resumed = train(keras.saving.load_model(tmp_path / "half.keras"), 1)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert state_of(whole.layers[0]) == state_of(resumed.layers[0])


def test_a_whole_sequence_is_one_call_and_time_distributed_counts_timesteps():
    def drop(noise_shape: Any) -> Any:
        return layers.ScheduledDropout(schedules.Constant(0.5), noise_shape, seed=3)

    x = np.ones((2, 5, 3, 4, 6), "float32")
    whole, distributed = drop((None, None, 1, 1, None)), drop((None, 1, 1, None))
    outputs = [layer(x, training=True) for layer in (whole, keras.layers.TimeDistributed(distributed))]
    assert (int(whole.calls), int(distributed.calls)) == (1, 5)
    for each in map(keras.ops.convert_to_numpy, outputs):
        kept = each[:, :, :1, :1] > 0  # the same for all pixels, another one in each timestep
        np.testing.assert_array_equal(each, np.broadcast_to(2.0 * kept, x.shape))
        assert len({step.tobytes() for step in np.moveaxis(kept, 1, 0)}) == 5


def test_a_file_of_another_layer_is_refused(tmp_path: Path):
    def model(layer: Any) -> Any:
        return keras.Sequential([keras.Input((8,)), layer])

    model(keras.layers.Dropout(0.5, name="drop")).save_weights(tmp_path / "old.weights.h5")
    into = model(layers.ScheduledDropout(schedules.Constant(0.5), name="drop"))
    before = state_of(into.layers[0])
    with pytest.raises(ValueError, match=r"drop must find rate, calls, seed_generator_state in the file; received"):
        into.load_weights(tmp_path / "old.weights.h5")
    assert state_of(into.layers[0]) == before


# ---- Arguments


TOO_HIGH = schedules.LinearDecay(0.0, 100, 1.0)
BAD_RATES = (1.0, 1, -0.1, 2, float("nan"), float("inf"), None, "0.5", True, [0.5], schedules.LinearDecay, len)


@every_kind
def test_bad_arguments_are_refused(kind: type):
    rule = "a number in [0, 1) or a LearningRateSchedule of such numbers"
    table = [({"rate": bad}, f"rate must be {rule}; received {bad!r}") for bad in BAD_RATES]
    table.append(({"rate": TOO_HIGH}, f"rate must be {rule}; received {TOO_HIGH!r}, which gives 1 at step 128"))
    for bad in (-1, 1.5, "1", True, 2**31):
        message = f"seed must be None or an integer from 0 to 2147483647; received {bad!r}"
        table.append(({"rate": 0.5, "seed": bad}, message))
    plateau = schedules.ReduceOnPlateau(0.5)
    table.append(({"rate": plateau}, f"rate must not wait for a plateau; received {plateau!r}"))
    for arguments, message in table:
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared
            kind(**arguments)
        assert str(refused.value) == f"{kind.__name__}.{message}"


def test_a_schedule_in_epochs_says_what_is_missing():
    layer = layers.ScheduledDropout(schedules.EarlyDropout(0.5, 2.5, unit="epoch"))
    with pytest.raises(RuntimeError, match=r"EarlyDropout.unit is 'epoch'.*ScheduleInEpochs"):
        layer(np.ones((2, 2), "float32"), training=True)


@pytest.mark.slow
def test_a_schedule_in_epochs_is_told_their_length():
    schedule = schedules.EarlyDropout(0.5, 1.5, unit="epoch")
    layer = layers.ScheduledDropout(schedule)
    model = probed(layer)
    model.compile("sgd", "mse")
    for _ in range(2):
        model.fit(*data(4), BATCH, epochs=1, verbose=0, callbacks=[kno.callbacks.ScheduleInEpochs()])
    assert_used(model.get_layer("probe").rows(), rate_of(schedule.in_steps(4)))
    assert layer.schedule.cutoff_steps == 6
