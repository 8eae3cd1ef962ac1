"""The base around the rule, where a rule, a model or a user does something less usual."""

import copy
import warnings

import keras
import numpy as np
import pytest
from keras import ops

import keras_neural_opt as kno
from keras_neural_opt.optimizers import RuleOptimizer, Slot
from keras_neural_opt.optimizers.rules import add_scaled, descend, ema, scale

BACKEND = keras.backend.backend()


def tensor(values):
    return ops.convert_to_tensor(np.array(values, "float32"))


def model():
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    return keras.Sequential([keras.Input((2,)), layer])


def fit(m, rows, bad=False):
    x = np.full((rows, 2), np.nan if bad else 1.0, "float32")
    m.fit(x, np.zeros((rows, 1), "float32"), batch_size=1, verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"gradient_accumulation_steps": 4}, {"nonfinite": "skip"}], ids=str)
def test_a_moving_average_of_no_step_replaces_nothing(options):
    m = model()
    m.compile(kno.optimizers.SGD(0.1, use_ema=True, **options), "mse")
    fit(m, rows=2, bad="nonfinite" in options)
    np.testing.assert_array_equal(m.get_weights()[0], 1.0)


@pytest.mark.slow
def test_training_goes_on_after_a_raised_step():
    m = model()
    m.compile(kno.optimizers.SGD(0.1, nonfinite="raise"), "mse")
    with pytest.raises(FloatingPointError, match=r"after effective step 0$"):
        fit(m, rows=2, bad=True)
    np.testing.assert_array_equal(m.get_weights()[0], 1.0)
    fit(m, rows=2)
    assert (m.get_weights()[0] < 1.0).all()


def test_a_raised_window_is_dropped():
    variable = keras.Variable([1.0])
    optimizer = kno.optimizers.SGD(0.5, nonfinite="raise", gradient_accumulation_steps=2)
    optimizer.apply([tensor([np.nan])], [variable])
    with pytest.raises(FloatingPointError):
        optimizer.apply([tensor([1.0])], [variable])
    for _ in range(2):
        optimizer.apply([tensor([1.0])], [variable])
    assert float(variable.numpy()[0]) == 0.5


class Previous(RuleOptimizer):
    slots = ("previous", "older")

    def rule(self, p, g, lr, t, previous, older):
        return p - g * lr, p, previous


def test_a_rule_may_return_an_old_value_as_new_state():
    variable, optimizer = keras.Variable([1.0, 2.0]), Previous(0.5)
    for _ in range(2):
        optimizer.apply([tensor([1.0, 1.0])], [variable])
    state = optimizer.state_by_role()
    np.testing.assert_array_equal(variable.numpy(), [0.0, 1.0])
    np.testing.assert_array_equal(state["previous.0"].numpy(), [0.5, 1.5])
    np.testing.assert_array_equal(state["older.0"].numpy(), [1.0, 2.0])


class Counting(RuleOptimizer):
    slots = (Slot("count", shape=lambda shape: ()), Slot("wide", dtype="float32"))

    def rule(self, p, g, lr, t, count, wide):
        wide = ema(wide, g, 0.5)
        # A scalar that was cut into stretches like the variable would be missing in all but the first.
        return descend(p, wide * (count + 1.0), lr), count + 1.0, wide


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("size", [3, 600_000])
def test_slots_of_another_shape_and_dtype(size, dtype):
    variable, optimizer = keras.Variable(np.ones(size), dtype=dtype), Counting(0.5)
    optimizer.apply([ops.ones(size, dtype)], [variable])
    state = optimizer.state_by_role()
    assert float(state["count.0"].numpy()) == 1.0
    assert keras.backend.standardize_dtype(state["wide.0"].dtype) == "float32"
    np.testing.assert_array_equal(ops.convert_to_numpy(ops.cast(variable, "float32")), np.full(size, 0.75))


@pytest.mark.parametrize("slots", [("m", "m"), ("moving_average",), ("a.b",), ("skipped",)], ids=str)
def test_slot_names_that_would_clash_are_refused(slots):
    bad = type("Bad", (RuleOptimizer,), {"slots": slots})
    with pytest.raises(ValueError, match=r"Bad\.slots must be different names"):
        bad().build([keras.Variable([1.0])])


def test_a_rule_must_not_consume_the_gradient():
    class Greedy(RuleOptimizer):
        def rule(self, p, g, lr, t):
            return add_scaled(p, scale(g, 2.0), lr)

    gradient = tensor([1.0])
    with pytest.raises(RuntimeError, match="belongs to the caller"):
        Greedy(0.1).apply([gradient], [keras.Variable([1.0])])
    assert float(gradient[0]) == 1.0


def test_a_rule_that_forgets_a_slot_is_told_so():
    class Forgets(RuleOptimizer):
        slots = ("m",)

        def rule(self, p, g, lr, t, m):
            return descend(p, g, lr)

    with pytest.raises(TypeError, match="must return the variables and 1 slots"):
        Forgets(0.1).apply([tensor([1.0])], [keras.Variable([1.0])])


class Totals(kno.transforms.GradientTransform):
    """Remembers the sum of each variable's gradients."""

    def build(self, optimizer, variables):
        self.totals = [optimizer.add_variable(v.shape, name="total") for v in variables]

    def __call__(self, gradients, context):
        for total, gradient in zip(self.totals, gradients.tensors, strict=True):
            total.assign_add(gradient)
        return gradients


def test_two_optimizers_do_not_share_a_transforms_state():
    shared = Totals()
    optimizers = [kno.optimizers.SGD(0.1, gradient_transforms=[shared]) for _ in range(2)]
    variables = [keras.Variable([0.0]), keras.Variable([0.0])]
    for i in (0, 1, 0):
        optimizers[i].apply([tensor([1.0])], [variables[i]])
    assert [float(o.state_by_role()["transform.0"].numpy()[0]) for o in optimizers] == [2.0, 1.0]


def saved(optimizer):
    store = {}
    optimizer.save_own_variables(store)
    return store


def two_variables():
    return [keras.Variable([0.0], name="a"), keras.Variable([0.0], name="b")]


class Extra(RuleOptimizer):
    slots = ("extra_m",)

    def rule(self, p, g, lr, t, m):
        return p, add_scaled(m, g, 1.0)


def test_state_follows_the_paths_of_reordered_variables():
    a, b = two_variables()
    source, target = Extra(), Extra()
    source.apply([tensor([1.0]), tensor([2.0])], [a, b])
    target.build([b, a])
    target.load_own_variables(saved(source))
    assert [float(target.state_by_role()[f"extra_m.{i}"].numpy()[0]) for i in (0, 1)] == [2.0, 1.0]


def test_reordered_state_of_transforms_is_refused():
    a, b = two_variables()
    source, target = (kno.optimizers.SGD(0.1, gradient_transforms=[Totals()]) for _ in range(2))
    source.build([a, b])
    target.build([b, a])
    with pytest.raises(kno.CorruptStateError, match="another order"):
        target.load_own_variables(saved(source))


def test_saving_before_building_keeps_what_was_loaded():
    variable = keras.Variable([1.0, 2.0])
    source = kno.optimizers.Adam(0.1)
    source.apply([tensor([1.0, -1.0])], [variable])
    between = kno.optimizers.Adam(0.1)
    between.load_own_variables(saved(source))
    first, second = saved(source), saved(between)
    assert first.keys() == second.keys()
    for role in first:
        np.testing.assert_array_equal(first[role], second[role])


def test_an_empty_list_of_patterns_is_no_mask():
    with pytest.raises(ValueError, match=r"SGD\.weight_decay_mask must be"):
        kno.optimizers.SGD(weight_decay_mask=[])
    optimizer = kno.optimizers.SGD(weight_decay=0.1)
    optimizer.exclude_from_weight_decay()
    assert optimizer.get_config()["weight_decay_mask"] is None


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.IndexedSlices exist on TensorFlow only")
@pytest.mark.parametrize("name", ["SGD", "Adagrad", "Adadelta"])
def test_a_sparse_gradient_without_rows(name):
    import tensorflow as tf

    variable = keras.Variable(np.ones((3, 2), "float32"))
    empty = tf.IndexedSlices(tf.zeros((0, 2)), tf.zeros((0,), "int32"), tf.constant((3, 2)))
    getattr(kno.optimizers, name)(0.1).apply([empty], [variable])
    np.testing.assert_array_equal(variable.numpy(), 1.0)


def test_many_sets_of_variables_without_a_gradient():
    # More sets than are remembered: each must move the variables that have a gradient, and no other.
    variables = [keras.Variable(np.zeros(2, "float32")) for _ in range(7)]
    optimizer = kno.optimizers.SGD(1.0)
    optimizer.build(variables)
    expected = np.zeros(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Keras names the variables that have none.
        for pattern in range(1, 100):
            given = [bool(pattern >> i & 1) for i in range(7)]
            optimizer.apply([tensor([1.0, 1.0]) if has else None for has in given], variables)
            expected -= given
    np.testing.assert_array_equal([v.numpy()[0] for v in variables], expected)


def test_a_copied_optimizer_updates_the_variables_that_it_is_given():
    variable = keras.Variable([1.0, 2.0])
    optimizer = kno.optimizers.SGD(1.0, momentum=0.5)
    optimizer.apply([tensor([1.0, 1.0])], [variable])
    copied = copy.deepcopy(optimizer)
    copied.apply([tensor([0.0, 0.0])], [variable])
    np.testing.assert_allclose(variable.numpy(), [-0.5, 0.5])
    optimizer.apply([tensor([0.0, 0.0])], [variable])  # its momentum is its own, and not halved yet
    np.testing.assert_allclose(variable.numpy(), [-1.0, 0.0])


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow's XLA needs its sums folded")
@pytest.mark.parametrize("size", [5, (1 << 15) - 1, (1 << 15) + 3, 300_001])
def test_a_folded_sum_of_squares_is_the_sum(size):
    import tensorflow as tf

    from keras_neural_opt._core.backend import native

    values = np.random.default_rng(0).normal(size=size).astype("float32")
    exact = np.linalg.norm(values.astype("float64"))
    for jit_compile in (True, False):
        norm = tf.function(lambda x: native.two_norms([x]), jit_compile=jit_compile)(tf.constant(values))
        np.testing.assert_allclose(norm.numpy(), [exact], rtol=2e-6)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="native variables of TensorFlow")
def test_native_variables_are_skipped_under_xla_too():
    import tensorflow as tf

    variable = tf.Variable([1.0, 2.0])
    optimizer = kno.optimizers.SGD(1.0, nonfinite="skip")
    optimizer.build([variable])
    step = tf.function(lambda g: optimizer.apply([g], [variable]), jit_compile=True)
    step(tf.constant([1.0, np.nan]))
    step(tf.constant([1.0, 1.0]))
    np.testing.assert_array_equal(variable.numpy(), [0.0, 1.0])
    assert int(optimizer.skipped) == 1


def test_a_constraint_that_is_set_later_is_applied():
    variable, optimizer = keras.Variable([1.0, -1.0]), kno.optimizers.SGD(1.0)
    optimizer.apply([tensor([0.0, 0.0])], [variable])
    variable.constraint = keras.constraints.NonNeg()
    optimizer.apply([tensor([0.0, 0.0])], [variable])
    np.testing.assert_array_equal(variable.numpy(), [1.0, 0.0])
