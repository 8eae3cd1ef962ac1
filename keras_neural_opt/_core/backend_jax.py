"""What the optimizers need of JAX; `backend` chooses between this file and its two siblings."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax.experimental import sparse
from keras.src.backend.common.stateless_scope import get_stateless_scope

sqrt, expm1, sin, where = jnp.sqrt, jnp.expm1, jnp.sin, jnp.where
minimum, maximum, isfinite = jnp.minimum, jnp.maximum, jnp.isfinite
stack, ones_like, zeros_like = jnp.stack, jnp.ones_like, jnp.zeros_like

fused: Any = None  # XLA fuses by itself; only torch has kernels of its own to call.


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


def cast(x: Any, dtype: Any) -> Any:
    """Return `x` as a tensor of `dtype`."""
    return jnp.asarray(x, dtype)


def scalar(x: Any) -> Any:
    """Return a number, a tensor or a variable as the kind of scalar that a rule computes with."""
    return jnp.asarray(keras.ops.convert_to_tensor(x), "float32")


def dense(gradient: Any, variable: Any) -> Any:
    """Return a gradient as a dense tensor of the variable's dtype."""
    if isinstance(gradient, sparse.JAXSparse):
        gradient = gradient.todense()
    return jnp.asarray(gradient, variable.dtype)


def takes_rows(gradient: Any) -> bool:
    """Whether a gradient names the touched rows in a way that a rule can be run on them alone."""
    return False


def copy(x: Any) -> Any:
    """Return the same values in another buffer: two variables that share one cannot both be donated."""
    return jnp.copy(x)


def two_norms(tensors: Sequence[Any]) -> Any:
    """Return the 2-norm of each tensor, in one 1-D tensor of at least float32."""
    wide = [x.astype(jnp.promote_types(x.dtype, "float32")) for x in tensors]
    return stack([sqrt(jnp.sum(x * x)) for x in wide])


def largest(tensors: Sequence[Any]) -> Any:
    """Return the largest absolute value of each tensor, in one 1-D tensor of at least float32."""
    wide = [x.astype(jnp.promote_types(x.dtype, "float32")) for x in tensors]
    return stack([jnp.max(jnp.abs(x), initial=0.0) for x in wide])


def all_finite(x: Any) -> Any:
    """Whether every element of `x` is finite, as a condition for `choose` and `when`."""
    return jnp.all(jnp.isfinite(x))


def choose(condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    """Return `yes()` or `no()`, computing only the one that is asked for."""
    if runs_eagerly(condition):
        # A conditional of JAX is compiled anew for every new pair of functions, that is in every eager step.
        return yes() if condition else no()
    return jax.lax.cond(condition, yes, no)


def when(condition: Any, yes: Callable[[], Any], no: Callable[[], Any], variables: Sequence[Any]) -> None:
    """Run `yes` or `no`; what they assign to `variables` counts only for the one that `condition` asks for.

    A conditional of JAX has to be pure. Each branch therefore runs in a scope of its own, where assignments are
    only noted, and its result is the new value of each of `variables`.
    """
    if runs_eagerly(condition):
        (yes if condition else no)()
        return
    outer = get_stateless_scope()

    def pure(branch: Callable[[], Any]) -> Callable[[], list[Any]]:
        def run() -> list[Any]:
            with keras.StatelessScope(state_mapping=[(v, v.value) for v in variables]) as scope:
                # Scopes do not look into the one around them, where all that is read but not assigned is found.
                scope.state_mapping = {**(outer.state_mapping if outer else {}), **scope.state_mapping}
                branch()
            return [scope.get_current_value(v) for v in variables]

        return run

    write(variables, jax.lax.cond(condition, pure(yes), pure(no)))


def update(optimizer: Any, gradients: list[Any], variables: list[Any], step: Callable[..., None]) -> None:
    """Run `step(gradients, variables)` on aggregated gradients: XLA has already reduced them."""
    step(gradients, variables)


def run(rule: Callable[..., Any], lists: list[list[Any]], marks: list[bool], elementwise: bool) -> list[list[Any]]:
    """Run `rule(lists, marks)`: the compiler fuses it."""
    return rule(lists, marks)


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
