"""Gradient accumulation: what stands still, what is dropped, and in what precision it adds."""

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers
from tests.contracts.problem import assert_follows, assert_same, gradients, make_variables, read, start_values
from tests.contracts.running import BACKEND, WAYS, run, run_on
from tests.oracles import wrappers as oracles
from tests.oracles.adam import Adam
from tests.oracles.loop import Loop
from tests.oracles.sgd import SGD
from tests.wrappers.wrapper_specs import INNERS, Inner


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("inner", INNERS, ids=str)
def test_other_calls_change_nothing_but_the_sum(inner: Inner, way: str):
    optimizer, variables = optimizers.GradientAccumulation(inner.make(), 3), make_variables(start_values())
    optimizer.build(variables)
    kept = [*variables, *optimizer.inner_optimizer.variables]
    for i, micro_step in enumerate(gradients(6)):
        before = read(kept)
        run_on(optimizer, variables, [micro_step], way)
        changed = [not np.array_equal(x, y) for x, y in zip(before, read(kept), strict=True)]
        if i % 3 == 2:
            assert all(changed[: len(variables)])
        else:
            assert not any(changed)
        assert int(optimizer.iterations) == int(optimizer.inner_optimizer.iterations) == (i + 1) // 3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("inner", INNERS, ids=str)
def test_the_last_call_says_which_variables_step(inner: Inner, way: str):
    """Without a gradient in another call a variable steps with the rest; without one in the last it stands still."""
    start, micro_steps = start_values(), [list(step) for step in gradients(9)]
    micro_steps[1][1] = micro_steps[5][2] = None
    expected = oracles.GradientAccumulation(inner.twin(), 3).start(start).run(micro_steps)
    assert_same([expected[5][2]], [expected[2][2]], "what the twin keeps")
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        result = run(optimizers.GradientAccumulation(inner.make(), 3), start, micro_steps, way)
    assert_follows(result.trajectory, expected, start, 1e-6)


@pytest.mark.parametrize(("dtype", "digits"), [("bfloat16", 7), ("float16", 10)])
@pytest.mark.parametrize("native", [False, True])
def test_adds_in_float32(native: bool, dtype: str, digits: int):
    """Four quarters of the last digit of 1 are one digit, though each alone would be rounded away."""
    variable = keras.Variable([0.0], dtype=dtype)
    optimizer = optimizers.GradientAccumulation((keras.optimizers if native else optimizers).SGD(1.0), 5, "sum")
    for value in (1.0, *[2.0 ** -(digits + 2)] * 4):
        optimizer.apply([keras.ops.convert_to_tensor([value], dtype=dtype)], [variable])
    assert optimizer.slot("gradient_sum", [variable])[0].dtype == "float32"
    assert variable.dtype == dtype
    assert read([keras.ops.convert_to_numpy(keras.ops.cast(variable, "float32"))])[0][0] == -1.0 - 2.0**-digits


@pytest.mark.parametrize("way", WAYS)
def test_scales_of_float8_follow_every_call(way: str):
    weight, scale = keras.Variable([1.0], name="weight"), keras.Variable([1.0], name="scale")
    scale.overwrite_with_gradient = True
    optimizer = optimizers.GradientAccumulation(keras.optimizers.SGD(0.5), 2)
    steps = [[np.array([g], "float32"), np.array([s], "float32")] for g, s in ((1.0, 7.0), (3.0, 5.0), (1.0, 4.0))]
    result = run_on(optimizer, [weight, scale], steps, way)
    assert [float(x[0]) for x, _ in result.trajectory] == [1.0, 0.0, 0.0]
    assert [float(x[0]) for _, x in result.trajectory] == [7.0, 5.0, 4.0]


@pytest.mark.parametrize("way", WAYS)
def test_a_nan_drops_its_window(way: str):
    start, micro_steps = start_values(), gradients(9)
    bad = [list(step) for step in micro_steps]
    bad[4][2] = np.full_like(bad[4][2], np.nan)
    twin = oracles.GradientAccumulation(Loop(Adam(), 0.1), 3).start(start)
    expected = twin.run([*micro_steps[:3], *micro_steps[6:]])
    result = run(optimizers.GradientAccumulation(optimizers.Adam(0.1, nonfinite="skip"), 3), start, bad, way)
    assert_follows([*result.trajectory[:3], *result.trajectory[6:]], expected, start, 1e-6)
    assert int(result.optimizer.inner_optimizer.skipped) == 1


def test_the_window_is_over_when_its_step_raises():
    start, micro_steps = start_values(), gradients(4)
    variables = make_variables(start)
    optimizer = optimizers.GradientAccumulation(optimizers.SGD(0.1, nonfinite="raise"), 2)
    bad = [np.full_like(g, np.inf) for g in micro_steps[0]]
    with pytest.raises(FloatingPointError, match=r"after effective step 0$"):
        run_on(optimizer, variables, [micro_steps[0], bad])
    expected = oracles.GradientAccumulation(Loop(SGD(), 0.1), 2).start(start).run(micro_steps[2:])
    assert_follows(run_on(optimizer, variables, micro_steps[2:]).trajectory, expected, start, 1e-6)


@pytest.mark.parametrize("inner", INNERS, ids=str)
def test_a_call_that_loss_scaling_leaves_out_is_no_call(inner: Inner):
    start, micro_steps = start_values(), gradients(7)
    scaled, scale = [], 4.0
    for i, step in enumerate(micro_steps):
        factor = np.float32(np.inf if i == 3 else scale)
        scaled.append([g * factor for g in step])
        scale /= 2 if i == 3 else 1
    good = [*micro_steps[:3], *micro_steps[4:]]
    expected = oracles.GradientAccumulation(inner.twin(), 2).start(start).run(good)
    optimizer = optimizers.LossScale(optimizers.GradientAccumulation(inner.make(), 2), initial_scale=4.0)
    result = run(optimizer, start, scaled, "jit" if BACKEND == "jax" else "eager")
    assert_follows([*result.trajectory[:3], *result.trajectory[4:]], expected, start, 1e-6)
    assert int(optimizer.skipped) == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "make",
    [
        lambda k: optimizers.GradientAccumulation(optimizers.SGD(0.5), k),
        lambda k: optimizers.SGD(0.5, gradient_accumulation_steps=k),
    ],
    ids=["wrapper", "argument"],
)
def test_a_window_that_became_shorter_ends_with_the_next_call(make, way: str):
    """Saved within a window of 4 and loaded into one of 2: the mean is of the calls that there were."""
    variables = make_variables([np.zeros(1, "float32")])
    long, short = make(4), make(2)
    steps = [[np.full(1, g, "float32")] for g in (1.0, 2.0, 3.0, 6.0, 1.0, 3.0)]
    run_on(long, variables, steps[:3], way)
    short.build(variables)
    for new, old in zip(short.variables, long.variables, strict=True):
        new.assign(old)
    inside, loaded = (getattr(o, "inner_optimizer", None) for o in (short, long))
    for new, old in zip(inside.variables if inside else (), loaded.variables if loaded else (), strict=True):
        new.assign(old)
    trajectory = run_on(short, variables, steps[3:], way).trajectory
    np.testing.assert_allclose([float(values[0][0]) for values in trajectory], [-1.5, -1.5, -2.5], rtol=1e-6)
    assert int(short.iterations) == 2


def test_optimizers_of_keras_multi_optimizer_count_as_inside():
    def several(**options):
        kernels, biases = keras.optimizers.SGD(0.1, **options), keras.optimizers.Adam()
        return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(kernels, {"bias": biases}))

    with pytest.raises(ValueError, match=r"GradientAccumulation\.inner_optimizer must not accumulate gradients"):
        optimizers.GradientAccumulation(several(gradient_accumulation_steps=2), 2)
    with pytest.raises(ValueError, match=r"Cautious\.inner_optimizer must not average weights"):
        optimizers.Cautious(several(use_ema=True))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="mirrored variables are TensorFlow's")
@pytest.mark.parametrize("wrap", [lambda inner: optimizers.GradientAccumulation(inner, 2), optimizers.Grokfast])
def test_replicas_sum_once_around_several_optimizers(wrap, mirrored):
    import tensorflow as tf

    def make():
        kernels, biases = keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.3)
        return wrap(keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(kernels, {"variable_2": biases})))

    start, micro_steps = start_values(), gradients(4)
    expected = run(make(), start, micro_steps).trajectory
    with mirrored.scope():
        variables = make_variables(start)
        optimizer = make()
        optimizer.build(variables)

    @tf.function
    def step(given):
        mirrored.run(lambda: optimizer.apply([0.5 * g for g in given], variables))

    for micro_step in micro_steps:
        step([tf.constant(g) for g in micro_step])
    assert_follows([read(variables)], [expected[-1]], start, 1e-6)


def test_a_counters_name_may_not_be_one_of_the_base():
    class Counting(optimizers.Wrapper):
        counters = ("iteration",)

    with pytest.raises(ValueError, match=r"Counting\.slots must be different names .* received 'iteration'"):
        Counting("sgd").build(make_variables(start_values()))
