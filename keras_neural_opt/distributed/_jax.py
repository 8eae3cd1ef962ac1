"""Collectives of JAX inside of `shard_map`, for a `DistributedOptimizer`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec

from keras_neural_opt.compression import Transport

# XLA has reduced gradients before any optimizer gets them.
REDUCES_HERE = False
# All workers run the same program.
GRADIENTS_MAY_DIFFER = False


class ShardTransport(Transport):
    """The devices along the axis of a batch.

    Args:
        axis: The axis' name.
        size: How many devices there are.
    """

    def __init__(self, axis: str, size: int) -> None:
        super().__init__()
        self._axis, self.size, self.rank = axis, size, lax.axis_index(axis)

    def _sum(self, x: Any) -> Any:
        return lax.psum(x, self._axis)

    def _gather(self, x: Any) -> Any:
        if _are_two_on_gloo(self.size):
            return self._beside_own(x[None], self._swapped(x))
        return _from_integers(lax.all_gather(_as_integers(x), self._axis), x)

    def _exchange(self, x: Any) -> Any:
        if _are_two_on_gloo(self.size):
            return self._beside_own(x, self._swapped(x[1 - self.rank]))
        return _from_integers(lax.all_to_all(_as_integers(x), self._axis, 0, 0), x)

    def _swapped(self, x: Any) -> Any:
        """Return what the other of two has sent: a sum to which one of them adds nothing, of as many bytes.

        gloo sends when the receiver has said that it waits. XLA lets it say so after it has begun to send, behind all
        of that, so that a slow link carries one direction after the other; but sums are sent in small pieces.
        """
        integers = lax.bitcast_convert_type(x, _INTEGERS[x.dtype.itemsize])
        rows = self._beside_own(jnp.zeros_like(integers)[None], integers)
        return lax.bitcast_convert_type(lax.psum_scatter(rows, self._axis), x.dtype)

    def _beside_own(self, own: Any, other: Any) -> Any:
        """Return a row for each of two: this one's part of `own`, and `other`."""
        is_own = jnp.arange(2).reshape(2, *(1,) * other.ndim) == self.rank
        return jnp.where(is_own, own, other[None])


_INTEGERS = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}


def _are_two_on_gloo(size: int) -> bool:
    return size == 2 and jax.process_count() == 2 and jax.default_backend() == "cpu"


def _as_integers(x: Any) -> Any:
    # On CPUs bfloat16 would be sent as float32.
    return lax.bitcast_convert_type(x, jnp.uint16) if x.dtype in (jnp.float16, jnp.bfloat16) else x


def _from_integers(found: Any, x: Any) -> Any:
    return lax.bitcast_convert_type(found, x.dtype) if found.dtype != x.dtype else found


def workers() -> int:
    """Return the number of devices that a batch is spread over."""
    distribution = keras.distribution.distribution()
    if distribution is None or distribution.batch_dim_name is None:
        return 1
    mesh = distribution.device_mesh
    return int(mesh.shape[list(mesh.axis_names).index(distribution.batch_dim_name)])


def transport() -> Transport:
    """Return the way to no one: inside a distributed train step there is another."""
    return Transport()


def factor() -> float:
    """Return what gradients are multiplied by to be those of a worker's own mean loss."""
    return 1.0


def add_state(optimizer: Any, name: str, shape: tuple[int, ...], initializer: Any, local: bool) -> Any:
    """Return a new variable of the optimizer; of what is a worker's own, with a row for each device, on that device."""
    if not local or workers() == 1:
        return optimizer.add_variable(shape, initializer=initializer, dtype="float32", name=name)
    distribution = keras.distribution.distribution()
    mesh = distribution.device_mesh.backend_mesh
    layout = NamedSharding(mesh, PartitionSpec(distribution.batch_dim_name))
    first = keras.initializers.get(initializer)(shape, dtype="float32")
    rows = keras.initializers.Constant(np.broadcast_to(np.asarray(first), (workers(), *shape)))
    return optimizer.add_variable((workers(), *shape), initializer=rows, dtype="float32", layout=layout, name=name)


def mean(variable: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the mean of all workers' values; all processes must ask."""
    value = variable.value
    if tuple(value.shape) == shape:
        return np.asarray(value)
    rows = value if value.is_fully_addressable else multihost_utils.process_allgather(value, tiled=True)
    return np.asarray(rows).mean(axis=0)


def scope(model: Any) -> AbstractContextManager[Any]:
    """Return the context in which a model's workers are known: any."""
    return nullcontext()


def together(function: Callable[..., Any], variables: Sequence[Any], local: Sequence[bool]) -> Callable[[], Any]:
    """Return what runs `function(transport, values)` on every worker, as in a step, and waits; all must call it.

    Args:
        function: Takes the way to the other workers and the variables' values; returns a nest of tensors.
        variables: Variables that it may read.
        local: Which of them each worker has for itself, as `add_state` was told.
    """
    if workers() == 1:
        alone = jax.jit(lambda values: function(Transport(), values))
        return lambda: jax.block_until_ready(alone([v.value for v in variables]))
    distribution = keras.distribution.distribution()
    axis = distribution.batch_dim_name

    def on_one_device(values: list[Any]) -> Any:
        own = [x[0] if is_own else x for x, is_own in zip(values, local, strict=True)]
        return jax.tree.map(lambda x: x[None], function(ShardTransport(axis, workers()), own))

    specs = [PartitionSpec(axis) if is_own else PartitionSpec() for is_own in local]
    mesh = distribution.device_mesh.backend_mesh
    mapped = jax.shard_map(on_one_device, mesh=mesh, in_specs=(specs,), out_specs=PartitionSpec(axis), check_vma=False)
    compiled = jax.jit(mapped)

    def run() -> Any:
        found = jax.block_until_ready(compiled([v.value for v in variables]))
        return jax.tree.map(lambda x: x.addressable_shards[0].data[0], found)

    return run


def trace_again(model: Any) -> None:
    """Let a model's step be made anew: something that it has looked at has changed."""
    from keras_neural_opt.distributed._jax_step import is_distributed, make_train_step

    if is_distributed(model):
        make_train_step(model)  # JAX remembers what it has compiled by the function.
    model.make_train_function(force=True)


def mean_of(numbers: Sequence[float]) -> list[float]:
    """Return the means of all processes' numbers, the same everywhere; all must ask."""
    if jax.process_count() == 1:
        return list(numbers)
    rows = multihost_utils.process_allgather(np.asarray(numbers, "float32"))
    return [float(x) for x in np.asarray(rows).mean(axis=0)]


def begin_alike(variables: Sequence[Any]) -> None:
    """Do nothing: see `distribute`."""


def part() -> tuple[int, int]:
    """Return the number of this process among those that each give a part of a batch, and how many they are."""
    return jax.process_index(), jax.process_count()


def distribute(model: Any) -> None:
    """Give a model a train step in which each device has the gradients of its own part of the batch."""
    from keras_neural_opt.distributed._jax_step import make_train_step

    if workers() > 1:
        make_train_step(model)
