"""What the optimizers need of JAX; `backend` chooses between this file and its two siblings."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax.experimental import sparse

from keras_neural_opt._core.branches import nothing, pure

sqrt, expm1, log, sin, sign, where = jnp.sqrt, jnp.expm1, jnp.log, jnp.sin, jnp.sign, jnp.where
minimum, maximum, isfinite = jnp.minimum, jnp.maximum, jnp.isfinite
stack, ones_like, zeros_like = jnp.stack, jnp.ones_like, jnp.zeros_like

ROW_GRADIENTS = False  # only TensorFlow's gradients name the rows that they touch


def read(variable: Any) -> Any:
    """Return the variable's value as a tensor that a later assignment does not change."""
    return variable.value


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
    return jnp.asarray(x, dtype)


def scalar(x: Any) -> Any:
    """Return a number, a tensor or a variable as the kind of scalar that a rule computes with."""
    return jnp.asarray(keras.ops.convert_to_tensor(x), "float32")


def dense(gradients: Sequence[Any], variables: Sequence[Any]) -> list[Any]:
    """Return gradients as dense tensors of the variables' dtypes."""
    found = (g.todense() if isinstance(g, sparse.JAXSparse) else g for g in gradients)
    return [jnp.asarray(gradient, v.dtype) for gradient, v in zip(found, variables, strict=True)]


def vector(values: Sequence[Any], x: Any) -> Any:
    """Return numbers as a 1-D tensor of the dtype of `x`, and on its device."""
    return jnp.asarray(values, x.dtype)


def total(x: Any) -> Any:
    """Return the sum of all elements."""
    return jnp.sum(x)


def sum_over(x: Any, axes: Sequence[int]) -> Any:
    """Return the sum of `x` over `axes`, which are kept with length 1."""
    return jnp.sum(x, tuple(axes), keepdims=True)


def column_means(x: Any) -> Any:
    """Return the means over all axes but the last, which are kept with length 1, of a tensor of at least float32."""
    count = math.prod(x.shape[:-1])
    # Overflows as little as a sum of quotients, for which XLA on CPUs takes several times as long.
    row = jnp.full((1, count), 1.0 / count, x.dtype)
    means = jnp.matmul(row, x.reshape(count, x.shape[-1]), precision="highest")
    return means.reshape([1] * (x.ndim - 1) + [x.shape[-1]])


def copy(x: Any) -> Any:
    """Return the same values in another buffer: two variables that share one cannot both be donated."""
    return jnp.copy(x)


def fresh(variable: Any) -> Any:
    """Return the variable's value in memory of its own, to begin another variable with."""
    return jnp.copy(variable.value)


def snapshot(x: Any) -> Any:
    """Return `x`, which later steps cannot change."""
    return x


def two_norms(tensors: Sequence[Any]) -> Any:
    """Return the 2-norm of each tensor, in one 1-D tensor of at least float32."""
    wide = [x.astype(jnp.promote_types(x.dtype, "float32")) for x in tensors]
    return stack([sqrt(jnp.sum(x * x)) for x in wide])


def accumulates_wide(tensors: Sequence[Any]) -> bool:
    """Whether `two_norms` adds squares in so wide a type that they cannot overflow."""
    return False


def waits(tensors: Sequence[Any]) -> bool:
    """Whether a condition on these makes the host wait in a usual step: a compiled one has its own conditionals."""
    return False


def largest(tensors: Sequence[Any]) -> Any:
    """Return the largest absolute value of each tensor, in one 1-D tensor of at least float32."""
    wide = [x.astype(jnp.promote_types(x.dtype, "float32")) for x in tensors]
    return stack([jnp.max(jnp.abs(x), initial=0.0) for x in wide])


def largest_over(x: Any, axes: Sequence[int]) -> Any:
    """Return the largest absolute value over `axes`, which are kept with length 1."""
    return jnp.max(abs(x), tuple(axes), keepdims=True)


def finite_or(x: Any, other: Any) -> Any:
    """Return `x`, with its elements that are not finite replaced by those of `other`."""
    return where(isfinite(x), x, other)


def plus_scaled(x: Any, y: Any, factor: float) -> Any:
    """Return `x + factor * y`."""
    return x + factor * y


def all_finite(x: Any) -> Any:
    """Whether every element of `x` is finite, as a condition for `choose` and `when`."""
    return jnp.all(jnp.isfinite(x))


def on_every_replica(finite: Any) -> Any:
    """Return whether a condition holds on every replica that takes this step."""
    return finite


def true_places(chosen: Any, count: int) -> Any:
    """Return None: how many elements are true is not known when a step is compiled."""
    return None


def choose(condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    """Return `yes()` or `no()`, computing only the one that is asked for."""
    if runs_eagerly(condition):
        # A conditional of JAX is compiled anew for every new pair of functions, that is in every eager step.
        return yes() if condition else no()
    return jax.lax.cond(condition, yes, no)


def when(condition: Any, yes: Callable[[], Any], no: Callable[[], Any], variables: Sequence[Any]) -> None:
    """Run `yes` or `no`; what they assign to `variables` counts only for the one that `condition` asks for."""
    if runs_eagerly(condition):
        (yes if condition else no)()
        return
    before = read_all(variables)
    write(variables, jax.lax.cond(condition, pure(yes, variables, before), pure(no, variables, before)))


def step_when(condition: Any, step: Callable[[], Any], variables: Sequence[Any]) -> None:
    """Run `step`, in which any optimizer may take a step that changes `variables`, if `condition` says so."""
    when(condition, step, nothing, variables)


def update(optimizer: Any, gradients: list[Any], variables: list[Any], step: Callable[..., Any]) -> Any:
    """Return `step(gradients)` of aggregated gradients: XLA has already reduced them."""
    return step(gradients)


def locally(optimizer: Any, variables: Sequence[Any], step: Callable[..., Any], *arguments: Any) -> Any:
    """Return `step(*arguments)`."""
    return step(*arguments)


def take_summed_gradients(optimizer: Any) -> None:
    """Make an optimizer take gradients that are already summed over replicas, as it always does here."""


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
    return nullcontext()


def runs_eagerly(x: Any) -> bool:
    """Whether `x` has a value now, or only when the traced step runs."""
    return not isinstance(x, jax.core.Tracer)


def overwrite(optimizer: Any, variables: Sequence[Any], averages: Sequence[Any]) -> None:
    """Assign the values of `averages` to `variables`, outside of a step."""
    write(variables, [copy(read(a)) for a in averages])


def has_value(variable: Any) -> bool:
    """Whether the variable holds a value: Keras takes it away during a step, and leaves it so if the step fails."""
    return variable._value is not None


def random_state() -> Any:
    """Return the state of the backend's own random numbers: JAX has none."""
    return None


def set_random_state(state: Any) -> None:
    """Go back to what `random_state` returned."""


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
    return jax.jit(jax.grad(function))(list(tensors))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there is no more memory."""
    if isinstance(error, MemoryError):
        return True
    # What runs on its own reports it as an internal error.
    words = "RESOURCE_EXHAUSTED", "Out of memory"
    return isinstance(error, jax.errors.JaxRuntimeError) and any(word in str(error) for word in words)


def free_memory() -> None:
    """Give back memory that is kept for later: JAX keeps what it took."""
