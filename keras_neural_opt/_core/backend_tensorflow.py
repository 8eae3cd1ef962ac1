"""What the optimizers need of TensorFlow; `backend` chooses between this file and its two siblings."""

import math
import operator
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.eager.context import context as eager_context
from tensorflow.python.ops import control_flow_util

from keras_neural_opt._core.branches import nothing, pure
from keras_neural_opt._core.nested import chain

sqrt, expm1, log, sin, sign, where = tf.sqrt, tf.math.expm1, tf.math.log, tf.sin, tf.sign, tf.where
minimum, maximum, isfinite = tf.minimum, tf.maximum, tf.math.is_finite
stack, ones_like, zeros_like = tf.stack, tf.ones_like, tf.zeros_like


ROW_GRADIENTS = True  # the gradient of an embedding names the rows that it touches

# A vector is folded until it is shorter than the first, onto this many lengths at a time.
_SHORT, _FOLD = 1 << 15, 4


def read(variable: Any) -> Any:
    """Return the variable's value as a tensor that a later assignment does not change.

    `keras.ops.convert_to_tensor` of a variable returns the variable itself.
    """
    return tf.convert_to_tensor(_native(variable))


def read_all(variables: Sequence[Any]) -> list[Any]:
    """Return `read` of each variable."""
    return [read(variable) for variable in variables]


def write(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Assign `values` to `variables`."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def clear(variables: Sequence[Any]) -> None:
    """Assign zeros to `variables`."""
    write(variables, [zeros_like(x) for x in read_all(variables)])


def cast(x: Any, dtype: Any) -> Any:
    """Return `x` as a tensor of `dtype`."""
    return tf.cast(x, dtype)


def scalar(x: Any) -> Any:
    """Return a number, a tensor or a variable as the kind of scalar that a rule computes with."""
    return tf.cast(read(x) if isinstance(x, keras.Variable) else x, "float32")


def dense(gradients: Sequence[Any], variables: Sequence[Any]) -> list[Any]:
    """Return gradients as dense tensors of the variables' dtypes; rows that `tf.IndexedSlices` do not name are 0."""
    return [tf.cast(tf.convert_to_tensor(_tensors(g)), v.dtype) for g, v in zip(gradients, variables, strict=True)]


def _tensors(gradient: Any) -> Any:
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    parts = gradient.values, gradient.indices, gradient.dense_shape
    return tf.IndexedSlices(*(part if part is None else tf.convert_to_tensor(part) for part in parts))


def takes_rows(gradient: Any) -> bool:
    """Whether a gradient names the touched rows in a way that a rule can be run on them alone."""
    return isinstance(gradient, tf.IndexedSlices) and not tf.distribute.has_strategy()


def gather_rows(gradient: Any, variables: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Return the touched rows of the gradient, as `tf.IndexedSlices`, and of each of `variables`.

    A row that the gradient names several times gets the sum each time: the rule then computes the same new row for
    each, and writing it more than once is harmless. Shapes stay static, which XLA asks for.
    """
    order = tf.argsort(gradient.indices, stable=True)
    indices = tf.gather(gradient.indices, order)
    row = tf.cumsum(tf.concat([tf.zeros_like(indices[:1], "int32"), tf.cast(indices[1:] != indices[:-1], "int32")], 0))
    values = tf.cast(tf.gather(gradient.values, order), variables[0].dtype)
    sums = tf.gather(tf.math.unsorted_segment_sum(values, row, tf.size(row)), row)
    return tf.IndexedSlices(sums, indices), [tf.gather(_native(v), indices) for v in variables]


def scatter_rows(gradient: Any, variables: Sequence[Any], rows: Sequence[Any]) -> None:
    """Overwrite the rows of `variables` that `gradient`, as `gather_rows` returned it, names."""
    for variable, new in zip(variables, rows, strict=True):
        _native(variable).scatter_update(tf.IndexedSlices(new, gradient.indices))


def _native(variable: Any) -> Any:
    return variable.value if isinstance(variable, keras.Variable) else variable


def vector(values: Sequence[Any], x: Any) -> Any:
    """Return numbers as a 1-D tensor of the dtype of `x`, and on its device."""
    return tf.stack([tf.cast(value, x.dtype) for value in values])


def total(x: Any) -> Any:
    """Return the sum of all elements."""
    return tf.reduce_sum(x)


def sum_over(x: Any, axes: Sequence[int]) -> Any:
    """Return the sum of `x` over `axes`, which are kept with length 1."""
    return tf.reduce_sum(x, list(axes), keepdims=True)


def column_means(x: Any) -> Any:
    """Return the means over all axes but the last, which are kept with length 1, of a tensor of at least float32."""
    return sum_over(x / math.prod(x.shape[:-1]), range(len(x.shape) - 1))


def copy(x: Any) -> Any:
    """Return `x`: assigning copies on TensorFlow."""
    return x


def fresh(variable: Any) -> Any:
    """Return the variable's value in memory of its own, to begin another variable with."""
    with tf.init_scope():  # A step that is being traced can lift the creation of a variable out only with a constant.
        return _native(variable).numpy()


def snapshot(x: Any) -> Any:
    """Return `x`, which later steps cannot change."""
    return x


def two_norms(tensors: Sequence[Any]) -> Any:
    """Return the 2-norm of each tensor, in one 1-D tensor of at least float32."""
    total = _folded_sum_of_squares if _in_xla() else lambda x: 2.0 * tf.nn.l2_loss(x)
    return tf.sqrt(stack([total(x) for x in _wide(tensors)]))


def _folded_sum_of_squares(x: Any) -> Any:
    """Return the sum of squares, folding a long vector onto itself before it is summed.

    This XLA vectorizes additions of vectors on CPUs, but not reductions: folding is several times as fast as a plain
    sum, and rounds less. More folds at once are hardly faster, and take long to compile. JAX has a newer XLA, which
    does it by itself.
    """
    squares = tf.reshape(x * x, (-1,))
    while squares.shape[0] and squares.shape[0] >= _SHORT:
        length = squares.shape[0] // _FOLD
        rest = squares[_FOLD * length :]
        squares = reduce(operator.add, [squares[i * length : (i + 1) * length] for i in range(_FOLD)])
        if rest.shape[0]:
            squares = tf.concat([squares, rest], 0)
    return tf.reduce_sum(squares)


def accumulates_wide(tensors: Sequence[Any]) -> bool:
    """Whether `two_norms` adds squares in so wide a type that they cannot overflow."""
    return False


def waits(tensors: Sequence[Any]) -> bool:
    """Whether a condition on these makes the host wait in a usual step: a compiled one has its own conditionals."""
    return False


def largest(tensors: Sequence[Any]) -> Any:
    """Return the largest absolute value of each tensor, in one 1-D tensor of at least float32."""
    return stack([tf.reduce_max(tf.abs(x)) for x in _wide(tensors)])


def _wide(tensors: Sequence[Any]) -> list[Any]:
    dtype = "float64" if any(x.dtype == tf.float64 for x in tensors) else "float32"
    return [tf.cast(x, dtype) for x in tensors]


def largest_over(x: Any, axes: Sequence[int]) -> Any:
    """Return the largest absolute value over `axes`, which are kept with length 1."""
    return tf.reduce_max(abs(x), list(axes), keepdims=True)


def finite_or(x: Any, other: Any) -> Any:
    """Return `x`, with its elements that are not finite replaced by those of `other`."""
    return where(isfinite(x), x, other)


def plus_scaled(x: Any, y: Any, factor: float) -> Any:
    """Return `x + factor * y`."""
    return x + factor * y


def all_finite(x: Any) -> Any:
    """Whether every element of `x` is finite, as a condition for `choose` and `when`."""
    return tf.reduce_all(tf.math.is_finite(x))


def on_every_replica(finite: Any) -> Any:
    """Return whether a condition holds on every replica that takes this step."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return finite
    broken = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.cast(~finite, "float32"))
    return tf.equal(broken, 0.0)


def true_places(chosen: Any, count: int) -> Any:
    """Return the places of the first `count` true elements of a vector, in order, and then its length; XLA: None."""
    if _in_xla():
        return None
    found = tf.cast(tf.where(chosen)[:count, 0], tf.int32)
    places = tf.pad(found, [[0, count - tf.shape(found)[0]]], constant_values=chosen.shape[0])
    return tf.ensure_shape(places, (count,))


def choose(condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    """Return `yes()` or `no()`, computing only the one that is asked for."""
    return tf.cond(condition, yes, no)


def when(condition: Any, yes: Callable[[], Any], no: Callable[[], Any], variables: Sequence[Any]) -> None:
    """Run `yes` or `no`, whichever `condition` asks for when the step runs.

    A conditional of XLA copies every variable that a branch assigns. There the branches only return the new values of
    `variables`, and the assignments follow it.
    """
    if _in_xla() and all(isinstance(v, keras.Variable) for v in variables):
        before = read_all(variables)
        write(variables, tf.cond(condition, pure(yes, variables, before), pure(no, variables, before)))
        return

    tf.cond(condition, _branch(yes), _branch(no))


def _branch(run: Callable[[], Any]) -> Callable[[], Any]:
    def body() -> Any:
        run()
        return tf.constant(0)

    return body


def step_when(condition: Any, step: Callable[[], Any], variables: Sequence[Any]) -> None:
    """Run `step`, in which any optimizer may take a step that changes `variables`, if `condition` says so.

    Keras' optimizers assign in ways that a scope does not note, so that `step` itself is the branch. They also call
    `merge_call`, which a replica's conditional does not allow: here one conditional is around all replicas, which
    `step` begins anew. The condition must be the same on each.
    """
    if tf.__internal__.distribute.strategy_supports_no_merge_call():
        tf.cond(condition, _branch(step), _branch(nothing))
        return

    def on_all_replicas(strategy: Any, conditions: Any) -> None:
        first = strategy.experimental_local_results(conditions)[0]
        tf.cond(first, _branch(lambda: strategy.extended.call_for_each_replica(step)), _branch(nothing))

    tf.distribute.get_replica_context().merge_call(on_all_replicas, args=(condition,))


def _in_xla() -> bool:
    return bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


def update(optimizer: Any, gradients: list[Any], variables: list[Any], step: Callable[..., Any]) -> Any:
    """Sum the gradients over the replicas, then run `step(gradients)` once per device, and return what it returns.

    One `extended.update` of the first variable opens a scope on each device in which every other mirrored variable
    reads and assigns its local copy. Conditionals, norms over all variables and moving averages therefore work there
    as on one device, which `merge_call` inside `tf.cond` does not allow.
    """
    if not tf.distribute.has_strategy():
        return step(gradients)
    pairs = list(zip(gradients, map(_native, variables), strict=True))
    summed = [g for g, _ in optimizer._all_reduce_sum_gradients(pairs)]
    return locally(optimizer, variables, step, summed)


def locally(optimizer: Any, variables: Sequence[Any], step: Callable[..., Any], *arguments: Any) -> Any:
    """Run `step(*arguments)` once per device, where it reads and assigns local copies of variables; see `update`."""
    if not tf.distribute.has_strategy():
        return step(*arguments)

    def on_each_device(strategy: Any, *reduced: Any) -> Any:
        def local(_: Any, *local_arguments: Any) -> Any:
            return step(*local_arguments)

        return strategy.extended.update(_native(variables[0]), local, args=reduced, group=False)

    results = tf.__internal__.distribute.interim.maybe_merge_call(
        on_each_device, optimizer._distribution_strategy, *arguments
    )
    context = tf.distribute.get_replica_context()
    if results is None or context is None:
        return results
    # Of each result there is one a device of this process, and this is one of their replicas.
    replica = int(tf.get_static_value(context.replica_id_in_sync_group))
    return [x[replica % len(x)] if isinstance(x, (tuple, list)) else x for x in results]


def take_summed_gradients(optimizer: Any) -> None:
    """Make an optimizer that only a wrapper uses take gradients that are already summed over the replicas."""
    for inside in chain(optimizer):
        inside._all_reduce_sum_gradients = list


def without_gradients() -> AbstractContextManager[Any]:
    """Return a context in which nothing is kept for a backward pass."""
    return nullcontext()


def on_host() -> AbstractContextManager[None]:
    """Return a context in which variables are made where the host reads them without waiting: anywhere, here."""
    return nullcontext()


def uncompiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, which the compiler of this backend takes as it is."""
    return function


def outside_graph() -> AbstractContextManager[None]:
    """Return a context in which assignments happen now and not in a step that is being traced."""
    return tf.init_scope()


def runs_eagerly(x: Any) -> bool:
    """Whether `x` has a value now, or only when the traced step runs."""
    return not tf.is_symbolic_tensor(x)


def overwrite(optimizer: Any, variables: Sequence[Any], averages: Sequence[Any]) -> None:
    """Assign the values of `averages` to `variables`, outside of a step and on every device."""
    for variable, average in zip(variables, averages, strict=True):
        optimizer._distribution_strategy.extended.update(
            _native(variable), lambda v, a: v.assign(tf.cast(a, v.dtype)), args=(average,)
        )


def has_value(variable: Any) -> bool:
    """Whether the variable holds a value; on TensorFlow it always does."""
    return True


def random_state() -> Any:
    """Return the state of the backend's own random numbers: seed, seeds that operations get from it, and generator."""
    context = eager_context()
    operations = getattr(context, "_rng", None)
    state = operations and operations.getstate()
    return state, tf.random.get_global_generator().state.numpy(), getattr(context, "_seed", None)


def set_random_state(state: Any) -> None:
    """Go back to what `random_state` returned."""
    if state[0] is not None:
        eager_context()._set_global_seed(state[2])
        eager_context()._rng.setstate(state[0])
        eager_context().clear_kernel_cache()  # An operation that was run with a seed counts on from there.
    tf.random.get_global_generator().state.assign(state[1])


def saved_random_state(state: Any) -> Any:
    """Return what `random_state` returned as numbers and arrays."""
    return state


def loaded_random_state(saved: Any) -> Any:
    """Return what `saved_random_state` was made of."""
    return saved


def gradients(function: Callable[[list[Any]], Any], tensors: Sequence[Any]) -> list[Any]:
    """Return the gradient of what a function makes of tensors, a number, with respect to each of them.

    It reads and writes no variable; what it does not depend on has a gradient of zeros.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(tensors)
        result = function(list(tensors))
    return dense(tape.gradient(result, list(tensors), unconnected_gradients="zero"), tensors)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there is no more memory."""
    return isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError))


def free_memory() -> None:
    """Give back memory that is kept for later: TensorFlow keeps what it took."""
