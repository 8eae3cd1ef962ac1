"""Each private hook of Keras that we stand on, pinned: a new Keras that moves one fails here, by name.

`docs/concepts/host_hooks.md` lists them; a test of the documentation compares the two.
"""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

import keras_neural_opt as kno

BACKEND = keras.backend.backend()

tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="a hook of Keras' TensorFlow backend")
jax_only = pytest.mark.skipif(BACKEND != "jax", reason="a hook of Keras' JAX backend")
torch_only = pytest.mark.skipif(BACKEND != "torch", reason="a hook of torch")
not_tensorflow = pytest.mark.skipif(BACKEND == "tensorflow", reason="Keras has no stateless apply on TensorFlow")


def built(optimizer=None):
    variables = [keras.Variable([1.0, 2.0], name="a"), keras.Variable([3.0], name="b")]
    optimizer = optimizer or keras.optimizers.SGD(0.5)
    optimizer.build(variables)
    return optimizer, variables


class Recorder(keras.optimizers.SGD):
    """Notes which of its hooks Keras calls, in order."""

    def __init__(self, **options):
        super().__init__(**options)
        self.calls = ()

    def _noted(self, name):
        self.calls = (*self.calls, name)

    def finalize_variable_values(self, var_list):
        self._noted("finalize_variable_values")
        super().finalize_variable_values(var_list)

    def save_own_variables(self, store):
        self._noted("save_own_variables")
        super().save_own_variables(store)


def test_iterations_is_a_variable_that_counts_calls():
    optimizer, variables = built()
    optimizer.apply([ops.ones(2), ops.ones(1)], variables)
    assert isinstance(optimizer._iterations, keras.Variable)
    assert int(optimizer._iterations) == 1


def test_learning_rate_holds_the_variable_or_the_schedule():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    assert isinstance(keras.optimizers.SGD(0.1)._learning_rate, keras.Variable)
    assert keras.optimizers.SGD(schedule)._learning_rate is schedule


def test_get_current_learning_rate_is_what_the_property_reads():
    class Fixed(keras.optimizers.SGD):
        def _get_current_learning_rate(self):
            return 0.25

    assert Fixed().learning_rate == 0.25


def test_trainable_variables_and_get_variable_index():
    optimizer, variables = built()
    assert [v.path for v in optimizer._trainable_variables] == [v.path for v in variables]
    assert [optimizer._get_variable_index(v) for v in reversed(variables)] == [1, 0]


def test_check_variables_are_known():
    optimizer, variables = built()
    optimizer._check_variables_are_known(variables)
    with pytest.raises(ValueError, match="Unknown variable"):
        optimizer._check_variables_are_known([keras.Variable([1.0])])


def test_filter_empty_gradients():
    optimizer, variables = built()
    gradient = ops.ones(2)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        gradients, kept = optimizer._filter_empty_gradients([gradient, None], variables)
    assert gradients[0] is gradient
    assert kept == variables[:1]


def test_overwrite_variables_directly_with_gradients():
    optimizer, variables = built()
    variables[1].overwrite_with_gradient = True
    assert optimizer._overwrite_variable_with_gradient(variables[1])
    assert not optimizer._overwrite_variable_with_gradient(variables[0])
    _, kept = optimizer._overwrite_variables_directly_with_gradients([ops.ones(2), ops.ones(1) * 7], variables)
    assert kept == variables[:1]
    np.testing.assert_array_equal(variables[1].numpy(), [7.0])


def test_accumulated_gradients_and_moving_averages_are_made_by_build():
    optimizer, variables = built(keras.optimizers.SGD(0.5, use_ema=True, gradient_accumulation_steps=2))
    for made in (optimizer._accumulated_gradients, optimizer._model_variables_moving_average):
        assert [tuple(v.shape) for v in made] == [tuple(v.shape) for v in variables]


def test_what_keras_decays_and_which_optimizer_moves_a_variable():
    kernel, bias = keras.Variable([1.0], name="kernel"), keras.Variable([1.0], name="bias")
    optimizer = keras.optimizers.SGD(0.1, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build([kernel, bias])
    assert [optimizer._use_weight_decay(v) for v in (kernel, bias)] == [True, False]
    other = keras.optimizers.Adam()
    several = keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(optimizer, {"bias": other}))
    assert [several._optimizer_map(v) for v in (kernel, bias)] == [optimizer, other]


def test_track_variable_makes_a_variable_the_optimizers_own():
    optimizer, _ = built()
    seed = keras.random.SeedGenerator(1)
    optimizer._track_variable(seed.state)
    assert optimizer.variables[-1] is seed.state


def test_finalize_calls_overwrite_model_variables_with_average_value():
    optimizer, variables = built(keras.optimizers.SGD(0.5, use_ema=True))
    called = []
    optimizer._overwrite_model_variables_with_average_value = called.append
    optimizer.finalize_variable_values(variables)
    assert called == [variables]


@pytest.mark.slow
def test_fit_finalizes_also_after_an_error():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyError("stop")

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(Recorder(), "mse")
    with pytest.raises(KeyError):
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[Stop()])
    expected = ("finalize_variable_values",) if BACKEND == "jax" else ()
    assert model.optimizer.calls == expected


def test_keras_saves_through_save_own_variables(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(Recorder(), "mse")
    model.optimizer.build(model.trainable_variables)
    model.save_weights(tmp_path / "x.weights.h5")
    assert model.optimizer.calls == ("save_own_variables",)


def test_custom_objects_resolve_bare_names():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("radam", "mse")
    assert isinstance(model.optimizer, kno.optimizers.RAdam)
    model.compile("adam", "mse")
    assert not isinstance(model.optimizer, kno.optimizers.Adam), "a name of Keras' own must stay Keras'"
    model.compile("keras_neural_opt>Adam", "mse")
    assert isinstance(model.optimizer, kno.optimizers.Adam)


@pytest.mark.parametrize("optimizer", [keras.optimizers.LossScaleOptimizer, keras.optimizers.MultiOptimizer])
def test_wrappers_of_keras_call_apply_and_build(optimizer):
    source = inspect.getsource(optimizer)
    assert ".build(" in source
    assert ".apply(" in source


@not_tensorflow
def test_stateless_apply_runs_apply_in_a_stateless_scope():
    from keras.src.backend.common.stateless_scope import get_stateless_scope, in_stateless_scope

    seen = []

    class Looks(keras.optimizers.SGD):
        def _backend_update_step(self, grads, trainable_variables, learning_rate):
            scope = get_stateless_scope()
            seen.append((in_stateless_scope(), id(trainable_variables[0]) in scope.state_mapping))

    optimizer, variables = built(Looks())
    gradients = [ops.ones(2), ops.ones(1)]
    optimizer.stateless_apply([v.value for v in optimizer.variables], gradients, [v.value for v in variables])
    assert seen == [(True, True)]
    assert get_stateless_scope() is None


@not_tensorflow
def test_stateless_apply_leaves_its_arguments_alone():
    optimizer, variables = built(kno.optimizers.Adam(0.1))
    before = [ops.copy(v.value) for v in variables]
    state = [ops.copy(v.value) for v in optimizer.variables]
    new, new_state = optimizer.stateless_apply(state, [ops.ones(2), ops.ones(1)], before)
    np.testing.assert_array_equal(ops.convert_to_numpy(before[0]), [1.0, 2.0])
    np.testing.assert_array_equal(variables[0].numpy(), [1.0, 2.0])
    np.testing.assert_allclose(ops.convert_to_numpy(new[0]), [0.9, 1.9], rtol=1e-6)
    assert [int(s[0]) for s in (state, new_state)] == [0, 1]


@pytest.mark.skipif(BACKEND != "torch", reason="a hook of Keras' torch backend")
def test_value_on_torch_is_the_parameter_that_assign_writes_to():
    import torch

    variable = keras.Variable([1.0, 2.0])
    parameter = variable._value
    assert isinstance(parameter, torch.nn.Parameter)
    variable.assign([3.0, 4.0])
    assert variable._value is parameter
    parameter.data.mul_(2.0)
    np.testing.assert_array_equal(variable.numpy(), [6.0, 8.0])


def test_compile_config_remembers_how_a_model_was_compiled():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", loss_weights=[2.0], steps_per_execution=3, run_eagerly=True, jit_compile=False)
    config = model._compile_config.config
    kept = {name: config[name] for name in ("loss_weights", "steps_per_execution", "run_eagerly", "jit_compile")}
    assert kept == {"loss_weights": [2.0], "steps_per_execution": 3, "run_eagerly": True, "jit_compile": False}


@jax_only
def test_a_purged_variable_has_no_value():
    variable = keras.Variable([1.0])
    variable._value = None
    with pytest.raises(TypeError):
        _ = variable.value
    assert not kno._core.backend.native.has_value(variable)


@tensorflow_only
def test_convert_to_tensor_returns_the_variable_itself():
    variable = keras.Variable([1.0])
    alias = ops.convert_to_tensor(variable)
    value = kno._core.backend.native.read(variable)
    variable.assign([2.0])
    assert float(np.asarray(alias)[0]) == 2.0
    assert float(value[0]) == 1.0


@tensorflow_only
def test_all_reduce_sum_gradients_sums_over_replicas(mirrored):
    import tensorflow as tf

    with mirrored.scope():
        optimizer, variables = built()

    def step():
        native = [v.value for v in variables]
        gradients = [tf.ones(2), tf.ones(1)]
        return [g for g, _ in optimizer._all_reduce_sum_gradients(list(zip(gradients, native, strict=True)))]

    summed = mirrored.run(step)
    assert optimizer._distribution_strategy is mirrored
    np.testing.assert_array_equal(mirrored.experimental_local_results(summed[0])[1], [2.0, 2.0])


@tensorflow_only
def test_one_update_reads_and_assigns_every_local_copy(mirrored):
    import tensorflow as tf

    with mirrored.scope():
        first, other = keras.Variable([1.0]), keras.Variable([2.0])

    def local(_, scale):
        other.assign(tf.convert_to_tensor(other.value) * scale)

    def across(strategy, scale):
        strategy.extended.update(first.value, local, args=(scale,), group=False)

    def step():
        tf.__internal__.distribute.interim.maybe_merge_call(across, mirrored, tf.constant(3.0))

    mirrored.run(step)
    copies = mirrored.experimental_local_results(other.value)
    assert [float(c[0]) for c in copies] == [6.0, 6.0]


@tensorflow_only
def test_a_trace_knows_that_xla_compiles_it():
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util

    seen = []

    def look():
        seen.append(bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())))
        return tf.cond(tf.constant(True), lambda: tf.constant(0), lambda: tf.constant(1))

    tf.function(look, jit_compile=True)()
    tf.function(look)()
    assert seen == [True, False]


@torch_only
def test_an_unsafe_view_shares_memory_and_has_no_base():
    import torch

    with torch.no_grad():
        whole = torch.nn.Parameter(torch.ones(2, 3))
        flat = torch.ops.aten._unsafe_view.default(whole, [6])
        flat.add_(1.0)
    assert flat._base is None
    assert whole.detach().tolist() == [[2.0] * 3] * 2


@torch_only
def test_flatten_and_unflatten_dense_tensors_are_inverse():
    import torch
    from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

    tensors = [torch.arange(6.0).reshape(2, 3), torch.tensor(7.0), torch.zeros(0)]
    flat = _flatten_dense_tensors(tensors)
    assert flat.tolist() == [0, 1, 2, 3, 4, 5, 7]
    for a, b in zip(_unflatten_dense_tensors(flat, tensors), tensors, strict=True):
        assert torch.equal(a, b)


@torch_only
def test_make_fx_traces_a_function_and_refuses_to_branch_on_values():
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(lambda x, t: x * t.sqrt(), tracing_mode="real")(torch.zeros(8), torch.tensor(1.0))
    assert graph(torch.ones(3), torch.tensor(4.0)).tolist() == [2.0] * 3
    with pytest.raises(RuntimeError, match="data-dependent"):
        make_fx(lambda x, t: x if float(t) > 0 else -x, tracing_mode="real")(torch.zeros(8), torch.tensor(1.0))


@torch_only
def test_fused_kernels_take_the_arguments_that_we_give():
    import torch

    p, g, m, v = ([torch.ones(3)] for _ in range(4))
    adam = {"lr": 0.1, "beta1": 0.0, "beta2": 0.0, "eps": 0.0, "amsgrad": False, "maximize": False}
    torch._fused_adamw_(p, g, m, v, [], [torch.tensor(1.0)], weight_decay=0.5, **adam)
    assert p[0].tolist() == pytest.approx([0.85] * 3)
    torch._fused_adam_(p, g, m, v, [], [torch.tensor(1.0)], weight_decay=0.0, **adam)
    assert p[0].tolist() == pytest.approx([0.75] * 3)
    endless = [torch.tensor(float("inf"))]  # no bias is corrected
    torch._fused_adam_(p, g, m, v, [], endless, weight_decay=0.0, **{**adam, "beta1": 0.9, "beta2": 0.5})
    assert p[0].tolist() == pytest.approx([0.65] * 3)
    p[0].fill_(0.75)
    sgd = {"weight_decay": 0.0, "momentum": 0.5, "lr": -1.0, "dampening": 1.1, "nesterov": False, "maximize": False}
    torch._fused_sgd_(p, g, m, is_first_step=False, **sgd)
    assert m[0].tolist() == pytest.approx([0.4] * 3)
    assert p[0].tolist() == pytest.approx([1.15] * 3)
    steps = [torch.tensor(1.0)]
    torch._fused_adagrad_(p, g, v, steps, lr=1.0, lr_decay=0.0, weight_decay=0.0, eps=0.0, maximize=False)
    assert p[0].tolist() == pytest.approx([1.15 - 2**-0.5] * 3)


@torch_only
def test_foreach_lists_are_updated_in_place():
    import torch

    x = [torch.ones(2), torch.ones(3)]
    kept = list(x)
    torch._foreach_addcdiv_(x, [t * 4 for t in x], [t * 2 for t in x], value=1.0)
    torch._foreach_lerp_(x, [t * 0 for t in x], 0.5)
    assert [t.tolist() for t in kept] == [[1.5] * 2, [1.5] * 3]
    assert torch._foreach_norm([torch.tensor([3e20, 4e20])], 2, torch.float64)[0].item() == pytest.approx(5e20)


def test_a_momentum_is_named_after_its_variable():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="head")], name="net")
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(model.trainable_variables)
    paths = [v.path.replace("/", "_") for v in model.trainable_variables]
    assert [v.name for v in optimizer.variables][2:] == [f"{path}_momentum" for path in paths]


def test_files_save_the_inner_optimizer(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(kno.optimizers.Lookahead(keras.optimizers.SGD(0.1, momentum=0.9)), "mse")
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    saved, restored = (m.optimizer.inner_optimizer.variables[-1].numpy() for m in (model, loaded))
    assert np.any(saved != 0)
    np.testing.assert_array_equal(saved, restored)


def test_a_batch_norm_can_be_listened_to():
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), norm])
    assert norm in list(model._flatten_layers(include_self=False))
    around = keras.Sequential([model])
    assert norm in list(around._flatten_layers())
    assert model in list(around._flatten_layers(include_self=False, recursive=False))
    assert norm not in list(around._flatten_layers(include_self=False, recursive=False))
    seen, call = [], norm.call

    def listening(inputs, training=None, mask=None):
        seen.append(training)
        return call(inputs, training=True, mask=mask)

    norm.call, norm.momentum = listening, 0.0
    x = np.array([[1.0, 2.0], [3.0, 8.0]], "float32")
    model(x, training=False)
    assert seen == [False]
    np.testing.assert_allclose(norm.moving_mean.numpy(), (x @ model.layers[0].kernel.numpy()).mean(0), rtol=1e-5)


@pytest.mark.slow
def test_a_batch_norm_can_be_frozen_within_fit():
    class Freeze(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.statistics = norm.moving_mean.numpy()
                norm.call = lambda inputs, training=None, mask=None: call(inputs, training=False, mask=mask)
                value = norm.beta.numpy()
                norm.beta.constraint = lambda variable: ops.convert_to_tensor(value)
                self.held = value
                self.model.make_train_function(force=True)

    norm, freeze = keras.layers.BatchNormalization(), Freeze()
    call, x = norm.call, np.array([[1.0, 2.0], [3.0, 8.0]], "float32")
    model = keras.Sequential([keras.Input((2,)), norm, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    model.fit(x, x[:, :1], epochs=3, verbose=0, callbacks=[freeze])
    assert np.all(freeze.statistics != 0)
    assert np.all(freeze.held != 0)
    np.testing.assert_array_equal(norm.moving_mean.numpy(), freeze.statistics)
    np.testing.assert_array_equal(norm.beta.numpy(), freeze.held)


def test_a_functional_model_knows_what_follows_what():
    x = keras.Input((2,))
    dense, norm = keras.layers.Dense(2), keras.layers.BatchNormalization()
    y = dense(x)
    model = keras.Model(x, [norm(y), y + 1.0])
    nodes = [node for nodes in model._nodes_by_depth.values() for node in nodes]
    takers = [node.operation for node in nodes if any(tensor is y for tensor in node.input_tensors)]
    assert norm in takers
    assert len(takers) == 2
    (makes,) = [node for node in nodes if node.operation is dense]
    assert makes.outputs[0] is y


def test_a_node_knows_how_its_operation_was_called():
    x, y = keras.Input((2, 3)), keras.Input((4, 3))
    attention = keras.layers.MultiHeadAttention(1, 2)
    model = keras.Model([x, y], attention(x, value=y))
    nodes = [node for nodes in model._nodes_by_depth.values() for node in nodes]
    assert [node.is_input for node in nodes].count(True) == 2
    (called,) = [node for node in nodes if node.operation is attention]
    assert called.arguments.args[0] is x
    assert called.arguments.kwargs["value"] is y
    sequential = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    assert [type(op).__name__ for op in sequential._functional.operations] == ["InputLayer", "Dense"]


@tensorflow_only
def test_a_conditional_around_all_replicas(mirrored):
    import tensorflow as tf

    with mirrored.scope():
        variable = keras.Variable([1.0])
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build([variable])

    def step():
        optimizer.apply([tf.constant([0.25])], [variable])

    def cond(strategy, conditions):
        first = strategy.experimental_local_results(conditions)[0]
        tf.cond(first, lambda: strategy.extended.call_for_each_replica(step), lambda: None)

    def replica(condition):
        assert not tf.__internal__.distribute.strategy_supports_no_merge_call()
        tf.distribute.get_replica_context().merge_call(cond, args=(condition,))

    run = tf.function(lambda condition: mirrored.run(replica, args=(condition,)))
    for condition, value in ((False, 1.0), (True, 0.5)):
        run(tf.constant(condition))
        assert variable.numpy().tolist() == [value]


@tensorflow_only
def test_gradients_that_are_summed_already(mirrored):
    import tensorflow as tf

    with mirrored.scope():
        variable = keras.Variable([1.0])
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build([variable])
    optimizer._all_reduce_sum_gradients = list
    mirrored.run(lambda: optimizer.apply([tf.constant([0.25])], [variable]))
    assert variable.numpy().tolist() == [0.75]


def _tiny_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"], weighted_metrics=["mse"])
    return model


def test_what_compile_makes_is_built_by_the_first_step():
    from keras.src.trainers.compile_utils import CompileLoss, CompileMetrics

    model = _tiny_model()
    loss, metrics = model._compile_loss, model._compile_metrics
    assert type(loss) is CompileLoss
    assert type(metrics) is CompileMetrics
    assert not loss.built
    assert not metrics.built
    assert (loss._user_loss, loss._user_loss_weights) == ("mse", None)
    assert (metrics._user_metrics, metrics._user_weighted_metrics) == (["mae"], ["mse"])
    assert loss.output_names == metrics.output_names
    model.fit(np.ones((2, 2)), np.ones((2, 1)), verbose=0)
    assert loss.built
    assert metrics.built


def test_the_global_seed_generator_is_found_under_its_name():
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import global_seed_generator

    assert global_state.get_global_attribute("global_seed_generator") in (None, global_seed_generator())
    assert global_state.get_global_attribute("global_seed_generator") is global_seed_generator()


def test_a_model_trains_with_another_optimizer_in_between():
    model = _tiny_model()
    model.fit(np.ones((2, 2)), np.ones((2, 1)), verbose=0)
    own, step, other = model.optimizer, model.train_function, keras.optimizers.SGD(0.1)
    model.optimizer, model.train_function = other, None
    model.fit(np.ones((2, 2)), np.ones((2, 1)), epochs=2, verbose=0)
    model.optimizer, model.train_function = own, step
    assert (int(own.iterations), int(other.iterations)) == (1, 2)
    model.fit(np.ones((2, 2)), np.ones((2, 1)), verbose=0)
    assert (int(own.iterations), int(other.iterations)) == (2, 2)


@tensorflow_only
def test_the_eager_context_draws_the_seeds_of_operations():
    import tensorflow as tf
    from tensorflow.python.eager.context import context

    tf.random.set_seed(3)
    state = context()._rng.getstate()
    first = tf.random.uniform((2,)).numpy()
    assert context()._seed == 3
    context()._rng.setstate(state)
    # An operation that was run with these seeds before is kept, and counts on from where it was.
    assert (tf.random.uniform((2,)).numpy() != first).all()
    context()._rng.setstate(state)
    context().clear_kernel_cache()
    assert (tf.random.uniform((2,)).numpy() == first).all()
    tf.random.set_seed(4)
    context()._set_global_seed(3)
    context()._rng.setstate(state)
    context().clear_kernel_cache()
    assert (tf.random.uniform((2,)).numpy() == first).all()


def test_a_metric_knows_its_direction():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae", "binary_accuracy"])
    model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0)
    known = {each.name: getattr(each, "_direction", None) for m in model.metrics for each in getattr(m, "metrics", [m])}
    assert known == {"loss": None, "mae": "down", "binary_accuracy": "up"}


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="Keras runs ahead of callbacks on JAX only")
def test_no_step_waits_for_a_callback_that_is_async_safe():
    class Looks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass

    looks, safe = Looks(), Looks()
    safe.async_safe = True
    assert not keras.callbacks.CallbackList([looks])._async_train
    assert keras.callbacks.CallbackList([safe])._async_train
