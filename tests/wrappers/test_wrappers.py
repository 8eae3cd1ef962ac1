"""Every wrapper around every kind of optimizer: numbers, services of the inner one, files, `fit`, replicas."""

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers, schedules
from keras_neural_opt.optimizers import Wrapper
from tests.contracts.decay import model, through_json
from tests.contracts.documentation import assert_documented
from tests.contracts.problem import assert_follows, assert_same, gradients, make_variables, read, start_values
from tests.contracts.running import BACKEND, COMPILED, WAYS, run, run_on
from tests.contracts.training import MODES, data, fit, linear_model
from tests.oracles import wrappers as oracles
from tests.oracles.loop import Loop
from tests.oracles.nadam import Nadam
from tests.oracles.sgd import SGD
from tests.wrappers.wrapper_specs import INNERS, SPECS, Inner, WrapperSpec

CASES = [pytest.param(spec, inner, id=f"{spec}-{inner}") for spec in SPECS for inner in INNERS]
STEPS = 10


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("spec", "inner"), CASES)
def test_equals_its_twin(spec: WrapperSpec, inner: Inner, way: str):
    start, micro_steps = start_values(), gradients(STEPS)
    expected = spec.twin(inner.twin()).start(start).run(micro_steps)
    result = run(spec.wrap(inner.make()), start, micro_steps, way)
    # Keras' SGD rounds a little more than ours.
    assert_follows(result.trajectory, expected, start, 1e-6)
    assert result.traces == (way != "eager")


@pytest.mark.parametrize("way", WAYS)
def test_nested_wrappers_equal_their_twins(way: str):
    start, micro_steps = start_values(), gradients(STEPS)

    def nested(inner: Any) -> Any:
        cautious = optimizers.Cautious(optimizers.Grokfast(inner, 0.8))
        averaged = optimizers.ExponentialMovingAverage(cautious, 0.6, overwrite_frequency=5)
        return optimizers.Lookahead(averaged, 3, 0.5, "pullback")

    def nested_twin(loop: Loop) -> oracles.Wrapped:
        cautious = oracles.Cautious(oracles.Grokfast(loop, 0.8))
        averaged = oracles.ExponentialMovingAverage(cautious, 0.6, overwrite_frequency=5)
        return oracles.Lookahead(averaged, 3, 0.5, "pullback")

    for inner in INNERS:
        expected = nested_twin(inner.twin()).start(start).run(micro_steps)
        assert_follows(run(nested(inner.make()), start, micro_steps, way).trajectory, expected, start, 2e-6)


def layers_and_average(inner: Any) -> Any:
    accumulated = optimizers.GradientAccumulation(optimizers.Cautious(optimizers.Grokfast(inner, 0.8)), 3)
    layers = optimizers.LayerwiseLearningRate(accumulated, {"variable_1": 0.5, "variable_2": 0})
    return optimizers.ExponentialMovingAverage(layers, 0.7, overwrite_frequency=2)


def layers_and_average_twin(loop: Loop) -> oracles.Wrapped:
    accumulated = oracles.GradientAccumulation(oracles.Cautious(oracles.Grokfast(loop, 0.8)), 3)
    layers = oracles.LayerwiseLearningRate(accumulated, (1.0, 0.5, 0.0, 1.0))
    return oracles.ExponentialMovingAverage(layers, 0.7, overwrite_frequency=2)


ACCUMULATING = [
    pytest.param(wrap, twin, id=name)
    for name, wrap, twin in (
        (
            "inside Lookahead",
            lambda inner: optimizers.Lookahead(optimizers.GradientAccumulation(inner, 2), 3, 0.5, "reset"),
            lambda loop: oracles.Lookahead(oracles.GradientAccumulation(loop, 2), 3, 0.5, "reset"),
        ),
        (
            "inside Grokfast",
            lambda inner: optimizers.Grokfast(optimizers.GradientAccumulation(inner, 2, "sum"), 0.8),
            lambda loop: oracles.Grokfast(oracles.GradientAccumulation(loop, 2, "sum"), 0.8),
        ),
        ("between others", layers_and_average, layers_and_average_twin),
    )
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("wrap", "twin"), ACCUMULATING)
def test_accumulation_goes_inside_and_around_others(wrap: Any, twin: Any, way: str):
    """Outside of it are steps, not calls."""
    start, micro_steps = start_values(), gradients(2 * STEPS)
    for inner in INNERS:
        expected = twin(inner.twin()).start(start).run(micro_steps)
        assert_follows(run(wrap(inner.make()), start, micro_steps, way).trajectory, expected, start, 2e-6)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("spec", "inner"), CASES)
def test_counts_effective_steps(spec: WrapperSpec, inner: Inner, way: str):
    """Accumulated micro-steps are no steps."""
    if spec.sees_micro_steps:
        pytest.skip("its gradients are those of micro-steps, or it refuses them: see below")
    start, micro_steps = start_values(), gradients(2 * STEPS)
    twin = spec.twin(inner.twin(gradient_accumulation_steps=2)).start(start)
    result = run(spec.wrap(inner.make(gradient_accumulation_steps=2)), start, micro_steps, way)
    assert_follows(result.trajectory, twin.run(micro_steps), start, 1e-6)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_a_skipped_step_is_none(spec: WrapperSpec, way: str):
    """Neither a wrapper's count nor what it keeps of gradients knows of a step with a NaN."""
    start, micro_steps = start_values(), gradients(STEPS)
    bad = [list(step) for step in micro_steps]
    first, last = 6, 6 + spec.window
    bad[first:first] = [[np.full_like(g, np.nan) for g in micro_steps[0]]] * spec.window
    twin = spec.twin(INNERS[0].twin()).start(start)
    expected = twin.run(micro_steps)
    result = run(spec.wrap(INNERS[0].make(nonfinite="skip")), start, bad, way)
    for values in result.trajectory[first:last]:
        assert_same(values, result.trajectory[first - 1], "variables after a skipped step")
    assert_follows([*result.trajectory[:first], *result.trajectory[last:]], expected, start, 1e-6)
    assert int(result.optimizer.iterations) == STEPS // spec.window


REWRITING = [spec for spec in SPECS if spec.cls.rewrites_steps]


@pytest.mark.parametrize("spec", REWRITING, ids=str)
def test_what_rewrites_steps_refuses_what_keeps_others(spec: WrapperSpec):
    for inner in (
        optimizers.Adam(use_ema=True),
        keras.optimizers.SGD(use_ema=True),
        optimizers.ExponentialMovingAverage("sgd"),
        optimizers.Lookahead(optimizers.StochasticWeightAveraging("sgd", start_step=1)),
    ):
        with pytest.raises(ValueError, match=f"{spec.cls.__name__}.inner_optimizer must not average weights"):
            spec.wrap(inner)
    if spec.cls.changes_gradients:
        with pytest.raises(ValueError, match=f"{spec.cls.__name__}.inner_optimizer must not accumulate gradients"):
            spec.wrap(optimizers.Lookahead(optimizers.Adam(gradient_accumulation_steps=2)))
        with pytest.raises(ValueError, match=f"{spec.cls.__name__}.inner_optimizer must not accumulate gradients"):
            spec.wrap(optimizers.Lookahead(optimizers.GradientAccumulation("adam", 2)))


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_loss_scaling_belongs_outside(spec: WrapperSpec):
    for inner in (optimizers.LossScale("sgd"), keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())):
        with pytest.raises(ValueError, match=r"must not scale the loss"):
            spec.wrap(inner)
    inner = optimizers.Lookahead(optimizers.SGD(0.5, loss_scale_factor=8.0))
    keras.optimizers.LossScaleOptimizer(inner)
    assert inner.loss_scale_factor is inner.inner_optimizer.loss_scale_factor is None


@pytest.mark.parametrize("spec", REWRITING, ids=str)
def test_constraints_are_kept(spec: WrapperSpec):
    start = start_values()
    variables = make_variables(start)
    for variable in variables:
        variable.constraint = keras.constraints.NonNeg()
    run_on(spec.wrap(optimizers.SGD(0.3)), variables, gradients(6))
    assert all(np.all(value >= 0) for value in read(variables))
    assert any(np.any(value > 0) for value in read(variables))


def test_exclusions_from_weight_decay_reach_the_inner_optimizer():
    optimizer = optimizers.Lookahead(optimizers.AdamW(1e-3))
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    assert optimizer.inner_optimizer.weight_decay_mask == ["!bias"]


def test_a_pullback_needs_a_momentum():
    for inner in (optimizers.SGD(0.1), keras.optimizers.Adagrad(0.1)):
        with pytest.raises(ValueError, match=r"Lookahead\.pullback must be 'none'"):
            optimizers.Lookahead(inner, pullback="reset").build(make_variables(start_values()))


@pytest.mark.parametrize(("spec", "inner"), CASES)
def test_a_variable_without_gradient_is_left_out(spec: WrapperSpec, inner: Inner):
    start, micro_steps = start_values(), [list(step) for step in gradients(STEPS)]
    for step in micro_steps:
        step[1] = None
    twin = spec.twin(inner.twin()).start(start)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        result = run(spec.wrap(inner.make()), start, micro_steps)
    assert_follows(result.trajectory, twin.run(micro_steps), start, 1e-6)


@pytest.mark.parametrize(("spec", "inner"), CASES)
def test_resumes_exactly_from_a_file(spec: WrapperSpec, inner: Inner):
    network = model()
    network.compile(optimizer=spec.wrap(inner.make()), loss="mse")
    micro_steps = gradients(shapes=[tuple(v.shape) for v in network.trainable_variables])
    run_on(network.optimizer, network.trainable_variables, micro_steps[:5])
    with tempfile.TemporaryDirectory() as folder:
        network.save(Path(folder) / "model.keras")
        loaded = keras.models.load_model(Path(folder) / "model.keras")
    assert type(loaded.optimizer) is spec.cls
    uninterrupted = run_on(network.optimizer, network.trainable_variables, micro_steps[5:])
    resumed = run_on(loaded.optimizer, loaded.trainable_variables, micro_steps[5:])
    assert_same(resumed.trajectory[-1], uninterrupted.trajectory[-1], "variables of resumed training")
    assert_same(resumed.state, uninterrupted.state, "state of resumed training")


@pytest.mark.parametrize(("spec", "inner"), CASES)
def test_makes_itself_again_from_its_config(spec: WrapperSpec, inner: Inner):
    optimizer = spec.wrap(inner.make())
    again = through_json(optimizer)
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "inner"), CASES)
def test_two_fits_equal_the_twin(spec: WrapperSpec, inner: Inner):
    x, y = data()
    for mode in MODES:
        network = linear_model(spec.wrap(inner.make()), **mode)
        start = read(network.trainable_variables)
        twin = spec.twin(inner.twin()).start(start)
        if isinstance(twin, oracles.LayerwiseLearningRate):
            twin.factors = (0.5, 1.0)  # of the kernel and the bias
        trajectory, expected = [], []
        for _ in range(2):
            fit(network, x, y)
            fit_wrapped_twin(twin, x, y)
            trajectory.append(read(network.trainable_variables))
            expected.append(list(twin.variables))
        assert_follows(trajectory, expected, start, 1e-5)


def fit_wrapped_twin(twin: oracles.Wrapped, x: np.ndarray, y: np.ndarray, epochs: int = 2, batch: int = 4) -> None:
    for _ in range(epochs):
        for i in range(0, len(x), batch):
            kernel, bias = twin.variables
            inputs = x[i : i + batch].astype("float64")
            residual = 2 * (inputs @ kernel + bias - y[i : i + batch]) / (batch * y.shape[1])
            twin.apply([inputs.T @ residual, residual.sum(axis=0)])
    twin.finish()


@pytest.mark.skipif(BACKEND != "tensorflow", reason="mirrored variables are TensorFlow's")
@pytest.mark.parametrize(("spec", "inner"), CASES)
def test_two_replicas_equal_one_device(spec: WrapperSpec, inner: Inner, mirrored: Any):
    assert_replicas_follow(mirrored, lambda: spec.wrap(inner.make()), spec.twin(inner.twin()))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="mirrored variables are TensorFlow's")
def test_nested_wrappers_sum_gradients_once(mirrored: Any):
    for inner in INNERS:
        twin = oracles.Grokfast(oracles.Lookahead(oracles.Cautious(inner.twin()), 3), 0.8)
        assert_replicas_follow(
            mirrored,
            lambda inner=inner: optimizers.Grokfast(optimizers.Lookahead(optimizers.Cautious(inner.make()), 3), 0.8),
            twin,
        )


@pytest.mark.skipif(BACKEND != "tensorflow", reason="mirrored variables are TensorFlow's")
@pytest.mark.parametrize(("wrap", "twin"), ACCUMULATING)
def test_accumulation_between_others_on_two_replicas(wrap: Any, twin: Any, mirrored: Any):
    for inner in INNERS:
        assert_replicas_follow(mirrored, lambda inner=inner: wrap(inner.make()), twin(inner.twin()))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="mirrored variables are TensorFlow's")
@pytest.mark.parametrize(
    ("inner", "loop"),
    [
        (
            lambda: keras.optimizers.SGD(0.5, weight_decay=0.1, global_clipnorm=0.5),
            lambda: Loop(SGD(), 0.5, weight_decay=0.1, global_clipnorm=0.5),
        ),
        # It overrides what Keras' TensorFlow optimizer does for replicas.
        (lambda: keras.optimizers.Nadam(0.1), lambda: Loop(Nadam(), 0.1)),
    ],
)
def test_accumulation_around_what_asks_all_replicas(inner: Any, loop: Any, mirrored: Any):
    """Weight decay and the override of a step call `merge_call`; clipping sees the summed gradients."""
    twin = oracles.GradientAccumulation(loop(), 3)
    assert_replicas_follow(mirrored, lambda: optimizers.GradientAccumulation(inner(), 3), twin)


def assert_replicas_follow(mirrored: Any, make: Any, twin: oracles.Wrapped) -> None:
    import tensorflow as tf

    start, micro_steps = start_values(), gradients(STEPS)
    expected = twin.start(start).run(micro_steps)
    with mirrored.scope():
        variables = make_variables(start)
        optimizer = make()
        optimizer.build(variables)

    @tf.function
    def step(gradients: list[Any]) -> None:
        def replica() -> None:
            # The replicas' gradients are opposed but for their sum, so that each alone is far from it.
            index = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, "float32")
            optimizer.apply([g * (3.0 - 5.0 * index) for g in gradients], variables)

        mirrored.run(replica)

    trajectory = []
    for micro_step in micro_steps:
        step([tf.constant(g) for g in micro_step])
        trajectory.append(read(variables))
    assert_follows(trajectory, expected, start, 2e-6)
    assert int(optimizer.iterations.numpy()) == twin.steps


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_refuses_bad_arguments(spec: WrapperSpec):
    name = spec.cls.__name__
    for bad, rule in spec.bad:
        with pytest.raises(ValueError, match=name) as refused:
            spec.cls(**{"inner_optimizer": "adam", **spec.needed, **bad})
        assert f" must {rule if rule.startswith('not') else f'be {rule}; received'}" in str(refused.value)


def test_wraps_an_optimizer_by_its_name():
    assert type(optimizers.Lookahead("radam").inner_optimizer) is optimizers.RAdam
    with pytest.raises(ValueError, match="did you mean radam"):
        optimizers.Lookahead("radm")


def test_the_inner_optimizer_belongs_to_one_model():
    inner = keras.optimizers.SGD(0.1)
    wrapper = optimizers.Lookahead(inner)
    inner.build([keras.Variable([1.0], name="first")])
    with pytest.raises(ValueError, match=r"Lookahead\.inner_optimizer must not .* built for first"):
        wrapper.build([keras.Variable([1.0])])
    # What it has learned so far an average would take for nothing.
    with pytest.raises(ValueError, match=r"Lookahead\.inner_optimizer must be new; received SGD"):
        optimizers.Lookahead(inner)


def test_every_wrapper_has_a_row():
    public = [getattr(optimizers, name) for name in optimizers.__all__]
    wrappers = {cls for cls in public if isinstance(cls, type) and issubclass(cls, Wrapper) and cls is not Wrapper}
    assert wrappers == {spec.cls for spec in SPECS} | {optimizers.Ranger}


@pytest.mark.parametrize("cls", [*dict.fromkeys(spec.cls for spec in SPECS), optimizers.Ranger])
def test_is_documented(cls: type):
    assert_documented(cls, state_per_parameter=False)
    assert "State:" in (cls.__doc__ or "")


def test_ranger_is_lookahead_around_radam():
    start, micro_steps = start_values(), gradients(STEPS)
    ranger = optimizers.Ranger(0.1, sync_period=3, weight_decay=0.1)
    inner = optimizers.RAdam(0.1, 0.95, 0.999, 1e-5, weight_decay=0.1)
    expected = run(optimizers.Lookahead(inner, 3, 0.5), start, micro_steps)
    assert_same(run(ranger, start, micro_steps).trajectory[-1], expected.trajectory[-1], "Ranger")
    assert through_json(ranger).get_config() == ranger.get_config()


def test_a_schedule_and_the_setter_reach_the_inner_optimizer():
    wrapper = optimizers.Lookahead(optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.5, 10)))
    variables = make_variables(start_values())
    wrapper.build(variables)
    assert float(keras.ops.convert_to_numpy(wrapper.learning_rate)) == 0.5
    other = optimizers.Lookahead("sgd")
    other.learning_rate = 0.25
    assert float(keras.ops.convert_to_numpy(other.inner_optimizer.learning_rate)) == 0.25


@pytest.mark.parametrize("way", [*COMPILED[-1:], "eager"])
def test_swag_draws_from_the_gaussian_of_what_it_collected(way: str):
    """The draws' mean and variance are those of the paper's formula, computed from the twin's weights."""
    rng = np.random.default_rng(2)
    start = [rng.normal(size=(40, 30)).astype("float32")]
    micro_steps = [[rng.normal(size=(40, 30)).astype("float32")] for _ in range(8)]
    optimizer = optimizers.SWAG(optimizers.SGD(0.5), start_step=3, rank=4)
    twin = oracles.StochasticWeightAveraging(Loop(SGD(), 0.5), 3, 1).start(start)
    twin.run(micro_steps)
    result = run(optimizer, start, micro_steps, way)
    collected = np.stack([values[0] for values in twin.collected])
    assert optimizer.collected == len(collected) == 6
    mean = collected.mean(axis=0)
    means = [collected[: n + 1].mean(axis=0) for n in range(len(collected))]
    deviations = np.stack([collected[n] - means[n] for n in range(len(collected))])[-4:]
    variance = 0.5 * ((collected**2).mean(axis=0) - mean**2 + (deviations**2).sum(axis=0) / 3)
    draws = []
    for seed in range(400):
        optimizer.sample(seed=seed)
        draws.append(read(result.variables)[0])
    z = (np.mean(draws, axis=0) - mean) / np.sqrt(variance / len(draws))
    assert abs(np.mean(z**2) - 1) < 0.25
    assert abs(np.mean(np.var(draws, axis=0) / variance) - 1) < 0.05
    optimizer.sample(scale=0.0)
    np.testing.assert_allclose(read(result.variables)[0], mean, atol=1e-6)
    optimizer.finalize_variable_values(result.variables)
    np.testing.assert_allclose(read(result.variables)[0], mean, atol=1e-6)


def test_swag_without_two_weights_draws_nothing():
    optimizer = optimizers.SWAG("sgd", start_step=3)
    result = run(optimizer, start_values(), gradients(3))
    before = read(result.variables)
    with pytest.raises(RuntimeError, match="collected were 1, from step 3 on"):
        optimizer.sample()
    with pytest.raises(ValueError, match=r"SWAG\.scale must be a number >= 0; received -1"):
        optimizer.sample(-1)
    assert_same(read(result.variables), before, "variables")


@pytest.mark.parametrize("way", [*COMPILED[-1:], "eager"])
def test_every_layer_follows_the_schedule_at_its_own_height(way: str):
    start, steps = start_values(), [[np.ones_like(x) for x in start_values()] for _ in range(6)]
    schedule = schedules.Warmup(schedules.CosineAnnealing(0.4, 4), 2)
    optimizer = optimizers.LayerwiseLearningRate(optimizers.SGD(schedule), {"variable_1": 0.5, "variable_2": 0})
    last = run(optimizer, start, steps, way).trajectory[-1]
    whole = sum(schedule(step) for step in range(6))
    for before, after, factor in zip(start, last, (1.0, 0.5, 0.0, 1.0), strict=True):
        np.testing.assert_allclose(before - after, np.full_like(before, factor * whole), rtol=1e-5, atol=1e-6)


def test_layer_decay_falls_from_the_last_layer_to_the_first():
    optimizer = optimizers.LayerwiseLearningRate.with_layer_decay("sgd", ["embed", "block_0", "block_1", "head"], 0.5)
    assert list(optimizer.multipliers.values()) == [0.125, 0.25, 0.5, 1.0]
    variable = keras.Variable([1.0], name="block_0_kernel")
    assert optimizer.multiplier(variable) == 0.25
    with pytest.raises(ValueError, match=r"LayerwiseLearningRate\.decay must be a number in \(0, 1\]; received 0"):
        optimizers.LayerwiseLearningRate.with_layer_decay("sgd", ["a"], 0)
