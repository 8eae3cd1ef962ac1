"""A train step for JAX in which each device keeps the gradients of its own part of the batch."""

from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax import lax
from jax.sharding import PartitionSpec
from keras.src.backend.jax.trainer import JAXTrainer
from keras.src.trainers.data_adapters import data_adapter_utils

from keras_neural_opt._core.nested import chain
from keras_neural_opt.distributed._jax import ShardTransport, workers
from keras_neural_opt.distributed._optimizer import DistributedOptimizer

# Seeds of different devices must differ, for dropout; see `_as_own`.
_APART = 0x9E3779B1


def make_train_step(model: Any) -> None:
    """Give a compiled model a train step around which XLA reduces nothing by itself.

    Raises:
        ValueError: The model has a train step of its own.
    """
    if type(model).train_step is not JAXTrainer.train_step:
        raise ValueError(
            f"distribute.model must have Keras' own train_step; received {type(model).__name__}, which has another"
        )
    model.train_step = _Step(model, next(x for x in chain(model.optimizer) if isinstance(x, DistributedOptimizer)))
    model.train_function = None


def is_distributed(model: Any) -> bool:
    """Whether a model has such a train step."""
    return isinstance(model.train_step, _Step)


class _Step:
    """The train step of a model."""

    def __init__(self, model: Any, optimizer: DistributedOptimizer) -> None:
        self._model, self._optimizer = model, optimizer
        distribution = keras.distribution.distribution()
        self._mesh, self._axis = distribution.device_mesh.backend_mesh, distribution.batch_dim_name

    def __call__(self, state: Any, data: Any) -> Any:
        """Return logs and the new state, as Keras' own."""
        if all(x is not self._optimizer for x in chain(self._model.optimizer)):
            raise RuntimeError("the model was compiled again: call kno.distributed.distribute(model) once more")
        of_workers = self._local_positions()
        all_alike, own = PartitionSpec(), PartitionSpec(self._axis)
        of_optimizer = [own if i in of_workers else all_alike for i in range(len(state[2]))]
        state_specs = all_alike, all_alike, of_optimizer, all_alike
        mapped = jax.shard_map(
            self._on_one_device,
            mesh=self._mesh,
            in_specs=(state_specs, own),
            out_specs=(all_alike, state_specs),
            check_vma=False,
        )
        return mapped(tuple(list(part) for part in state), data)

    def _local_positions(self) -> set[int]:
        """Return which variables of the outer optimizer have a row for each device."""
        pairs = [pair for bucket in self._optimizer._buckets for pair in zip(bucket.state, bucket.kept, strict=True)]
        local = {id(v) for v, kept in pairs if kept.local}
        return {k for k, v in enumerate(self._model.optimizer.variables) if id(v) in local}

    def _on_one_device(self, state: Any, data: Any) -> Any:
        model, optimizer = self._model, self._optimizer
        trainable, non_trainable, whole, metrics = state
        transport = ShardTransport(self._axis, workers())
        # Keras takes values of the variables' own shapes only; nothing reads these.
        of_workers = self._local_positions()
        variables = model.optimizer.variables
        plain = [jnp.zeros(variables[k].shape) if k in of_workers else x for k, x in enumerate(whole)]

        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        differentiate = jax.value_and_grad(model.compute_loss_and_updates, has_aux=True)
        (_, aux), gradients = differentiate(
            trainable,
            [self._as_own(v, transport.rank) for v in non_trainable],
            # From nothing: a sum over devices of what each adds would else be one of rounded differences.
            [jnp.zeros_like(m) for m in metrics],
            x,
            y,
            sample_weight,
            training=True,
            optimizer_variables=plain,
        )
        loss, y_pred, non_trainable, before = aux
        means, rows = self._reduce(gradients, whole, plain, transport)
        optimizer._reduced_before = transport.sent
        try:
            trainable, plain = model.optimizer.stateless_apply(plain, means, trainable)
        finally:
            optimizer._reduced_before = None
        _, after = model._update_metrics_variables(before, loss, x, y, y_pred, sample_weight)
        metrics = [old + lax.psum(added, self._axis) for old, added in zip(metrics, after, strict=True)]
        new_whole = [rows.get(k, x) for k, x in enumerate(plain)]
        non_trainable = [self._as_all(v, transport.rank) for v in non_trainable]
        return self._logs(metrics), (trainable, non_trainable, new_whole, metrics)

    def _reduce(self, gradients: Any, whole: Any, plain: Any, transport: Any) -> tuple[Any, dict[int, Any]]:
        optimizer, variables = self._optimizer, self._model.optimizer.variables
        position = {id(v): k for k, v in enumerate(variables)}
        of_workers = self._local_positions()

        def value(v: Any) -> Any:
            k = position[id(v)]
            return whole[k][0] if k in of_workers else whole[k]

        states = [[value(v) for v in bucket.state] for bucket in optimizer._buckets]
        mapping = list(zip(variables, plain, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            step = optimizer.counter("reductions").value
            calls = optimizer.counter("calls").value + 1 if optimizer.accumulates else None
            trainable = self._model.trainable_variables
            means, new, _ = optimizer.reduced(gradients, trainable, states, transport, step, calls)
        found = {}
        for bucket, values in zip(optimizer._buckets, new, strict=True):
            for v, kept, x in zip(bucket.state, bucket.kept, values, strict=True):
                found[position[id(v)]] = x[None] if kept.local else x
        return means, found

    @staticmethod
    def _as_own(value: Any, rank: Any) -> Any:
        """Return a non-trainable weight as this device uses it: a seed, which alone is unsigned, is one of its own."""
        if value.dtype != jnp.uint32:
            return value
        return value.at[..., 0].add(rank.astype(jnp.uint32) * jnp.uint32(_APART)) if value.ndim else value

    def _as_all(self, value: Any, rank: Any) -> Any:
        """Return a non-trainable weight as all devices keep it: statistics are averaged."""
        if value.dtype == jnp.uint32 and value.ndim:
            return value.at[..., 0].add(-(rank.astype(jnp.uint32) * jnp.uint32(_APART)))
        return lax.pmean(value, self._axis) if jnp.issubdtype(value.dtype, jnp.floating) else value

    def _logs(self, metrics: Any) -> Any:
        mapping = list(zip(self._model.metrics_variables, metrics, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return self._model.get_metrics_result()
