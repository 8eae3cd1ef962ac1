"""Data-parallel training with any optimizer."""

from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from keras_neural_opt._core.arguments import integer, optional
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.nested import chain
from keras_neural_opt.compression import Compressor, ErrorFeedback, Layout, Reduced, State, Transport, WarmUp
from keras_neural_opt.compression._checks import inner_compressor
from keras_neural_opt.distributed._engine import engine
from keras_neural_opt.optimizers._wrapper import Wrapper, export

# What is sent as one vector at most: its places are counted in 32 bits, and it is one more copy of the gradients.
_BUCKET = 1 << 26
_MEBIBYTE = 1 << 20


@export
class DistributedOptimizer(Wrapper):
    r"""Data-parallel training (Sergeev and Del Balso, 2018), with compressed gradients where that pays.

    Each worker computes the gradients of its part of the batch; this optimizer makes their mean, through a compressor
    or as they are, and gives it to another one. All workers so take the same step, and their weights stay equal to the
    last bit. Clipping and everything else that the inner optimizer does comes after.

    .. math::
        g = C\Bigl(\tfrac{1}{N} \sum_{w=1}^{N} g_w\Bigr), \qquad \theta \leftarrow \text{inner}(\theta, g)

    Where a gradient of any worker is not finite, all get NaN, and what waits to be sent stays as it was: the inner
    optimizer's `nonfinite` decides, on all workers alike.

    Args:
        inner_optimizer: The optimizer, or its name. For float16, `LossScale` goes inside, and
            `compile(auto_scale_loss=False)` keeps Keras from putting another one around.
        compression: A compressor, or None for float32. Biased ones get error feedback, unless it is one that has it;
            `ErrorFeedback(..., decay=0)` is without.
        warmup_steps: How many steps are not compressed, >= 0. Defaults to 0.
        accumulation_steps: None, or how many calls make one step, with the mean of their gradients: those are sent
            once. A variable without a gradient in the last of them stands still, and what it had is lost.
        name: The name of this optimizer.

    Attributes:
        compresses: Whether gradients are compressed; False without a compressor, and where it was set to False, as
            `CommunicationStats(auto_off=True)` does. Then means are exact, and what waits to be sent goes with the
            first of them. It is no part of what is saved, and to be set before `fit` compiles a step.

    Raises:
        ValueError: An argument breaks its rule; or the inner optimizer accumulates gradients, so that parts of a step
            would be sent.
        RuntimeError: On JAX, with several devices, the model's train step was not made by `distribute`.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.distributed.DistributedOptimizer(
        ...     keras.optimizers.Adam(1e-3), compression=kno.compression.PowerSGD(rank=4)
        ... )

    Note:
        Nothing overlaps with the backward pass, so that on fast links compression loses: `CommunicationStats` measures
        whether it does. Gradients are reduced in float32. State: that of the compressor, with error feedback 4 bytes a
        parameter on each worker. It is saved as the mean over the workers, which is what they owe, so that it goes on
        with another number of them; all must save together, see `save`.

    References:
        Sergeev, Del Balso, Horovod: fast and easy distributed deep learning in TensorFlow, 2018,
        https://arxiv.org/abs/1802.05799
    """

    compression: Compressor | None
    warmup_steps: int
    accumulation_steps: int | None = None
    changes_gradients = True
    reduces = True

    def __init__(
        self,
        inner_optimizer: Any,
        compression: Compressor | None = None,
        warmup_steps: int = 0,
        accumulation_steps: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(inner_optimizer, name=name)
        self.set_hyperparameters(
            compression=optional(inner_compressor(compression)),
            warmup_steps=integer(warmup_steps, 0),
            accumulation_steps=optional(integer(accumulation_steps, 1)),
        )
        self.compresses = self.compression is not None
        self._compressor = _complete(self.compression, self.warmup_steps)
        self._buckets: list[_Bucket] = []
        self._reduced_before: Any = None

    @property
    def needs_whole_gradients(self) -> bool:
        """Whether the inner optimizer must not accumulate: each of its steps is a message."""
        return True

    @property
    def accumulates(self) -> bool:  # type: ignore[override]
        """Whether several calls make a step."""
        return self.accumulation_steps is not None

    @property
    def counters(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names of its integers."""
        return ("reductions", "sent_mebibytes", "sent_bytes", *(["calls"] if self.accumulates else []))

    @property
    def _steps_every_time(self) -> bool:
        return not self.accumulates and super()._steps_every_time

    def _refuse_what_does_not_go_inside(self, inner: Any) -> None:
        # A scaled loss is judged after the reduction, by all alike.
        if isinstance(inner, keras.optimizers.LossScaleOptimizer):
            if keras.backend.backend() == "jax":
                raise ValueError(
                    "DistributedOptimizer.inner_optimizer must not scale the loss dynamically on JAX; train in"
                    " bfloat16, which needs none, or with a fixed loss_scale_factor"
                )
            inner = inner.inner_optimizer
        super()._refuse_what_does_not_go_inside(inner)

    def __setattr__(self, name: str, value: Any) -> None:
        # Only an optimizer that scales the loss, put around this one, sets it. No property: Keras on TensorFlow asks
        # none where the value stays.
        if name == "loss_scale_factor" and "inner_optimizer" in self.__dict__:
            raise ValueError(
                "DistributedOptimizer must be around what scales the loss, which would judge each worker's gradients"
                " alone: write DistributedOptimizer(LossScale(...)), and compile(..., auto_scale_loss=False)"
            )
        super().__setattr__(name, value)

    def create_state(self, variables: list[Any]) -> None:
        """Create the state of the compressor, and give all workers the weights of the first."""
        self._buckets = _buckets(variables, self._compressor, self.accumulates)
        for i, bucket in enumerate(self._buckets):
            for kept in bucket.kept:
                first = kept.value() if kept.value else "zeros"
                initializer = first if isinstance(first, str) else keras.initializers.Constant(first)
                name = f"{kept.name}_{i}"
                bucket.state.append(engine.add_state(self, name, kept.shape, initializer, kept.local))
        with native.outside_graph():
            engine.begin_alike(variables)

    # ---- One step

    def _step(
        self, own: list[Any], moved: list[Any], gradients: list[Any], variables: list[Any], given: list[int]
    ) -> None:
        calls = native.read(self.counter("calls")) + 1 if self.accumulates else None
        if self._reduced_before is not None:
            means, sent = own, self._reduced_before
        else:
            if engine.workers() > 1 and not engine.REDUCES_HERE:
                raise RuntimeError(
                    "DistributedOptimizer gets gradients that XLA has reduced already: give the model its train step"
                    " by kno.distributed.distribute(model), after compile"
                )
            transport = engine.transport()
            here = self._here(moved, variables) if self._others_may_have_gradients else None
            states = [[native.read(v) for v in bucket.state] for bucket in self._buckets]
            step = native.read(self.counter("reductions"))
            means, new, anywhere = self.reduced(own, moved, states, transport, step, calls, here=here)
            if anywhere:
                given = np.flatnonzero(ops.convert_to_numpy(anywhere[0])).tolist()
                means = [means[i] for i in given]
                if not given:
                    self.inner_optimizer.apply(gradients, variables)  # On all workers; it knows what to say.
                    return
            for bucket, values in zip(self._buckets, new, strict=True):
                native.write(bucket.state, values)
            sent = transport.sent
        self._count(sent, calls)
        for i, mean in zip(given, means, strict=True):
            gradients[i] = mean
        if calls is None:
            self.inner_optimizer.apply(gradients, variables)
            return
        assigned = [*self.variables, *self._trainable_variables]
        native.step_when(self._is_step(calls), lambda: self.inner_optimizer.apply(gradients, variables), assigned)

    @property
    def _others_may_have_gradients(self) -> bool:
        # A worker that went away here would leave the others waiting.
        return bool(engine.GRADIENTS_MAY_DIFFER and engine.workers() > 1)

    def _is_step(self, calls: Any) -> Any:
        # Not `==`: a state may have been saved in a longer window.
        return True if calls is None else calls >= self.accumulation_steps

    @staticmethod
    def _here(moved: list[Any], variables: list[Any]) -> list[tuple[Any, bool]]:
        """Return for each variable whether this worker has a gradient of it."""
        known = {id(v) for v in moved}
        return [(v, id(v) in known) for v in variables]

    def reduced(
        self,
        own: Sequence[Any],
        moved: Sequence[Any],
        states: list[list[Any]],
        transport: Transport,
        step: Any,
        calls: Any = None,
        compress: bool | None = None,
        here: list[tuple[Any, bool]] | None = None,
    ) -> tuple[list[Any], list[list[Any]], list[Any]]:
        """Return mean gradients, the new state of each bucket, and who has a gradient; reads and writes no variable.

        Args:
            own: This worker's gradients.
            moved: Their variables.
            states: The state of each bucket.
            transport: The way to the other workers.
            step: The number of the step, from 0.
            calls: Where several make a step, the number of this one in it, from 1.
            compress: Whether to compress; None as `compresses` says.
            here: Where workers may have gradients of other variables than this one: all of the variables, whose means
                are then returned, and whether this worker has a gradient. Then a vector is returned in a list, with 1
                for each of which any worker has one, else an empty list.
        """
        compress = self.compresses if compress is None else compress
        known = {id(v): x for v, x in zip(moved, native.dense(own, moved), strict=True)}
        factor = engine.factor() / self._loss_scale()
        vectors = [bucket.join(known, factor) for bucket in self._buckets]
        wanted = moved if here is None else [v for v, _ in here]
        own_flags = None if here is None else ops.convert_to_tensor(np.array([has for _, has in here], "uint8"))
        if calls is None:
            return self._means(vectors, wanted, states, transport, step, compress, own_flags)
        sums = [x + state[-1] for x, state in zip(vectors, states, strict=True)]

        def send() -> tuple[list[Any], list[list[Any]], list[Any]]:
            count = ops.cast(calls, "float32")
            kept = [state[:-1] for state in states]
            means, new, anywhere = self._means(
                [x / count for x in sums], wanted, kept, transport, step, compress, own_flags
            )
            return means, [[*state, ops.zeros_like(x)] for state, x in zip(new, sums, strict=True)], anywhere

        def wait() -> tuple[list[Any], list[list[Any]], list[Any]]:
            nothing = [ops.zeros(v.shape, v.dtype) for v in wanted]
            everyone = [] if own_flags is None else [ops.ones_like(own_flags)]
            return nothing, [[*state[:-1], x] for state, x in zip(states, sums, strict=True)], everyone

        found: tuple[list[Any], list[list[Any]], list[Any]] = transport.choose(self._is_step(calls), send, wait)
        return found

    def _means(
        self,
        vectors: list[Any],
        wanted: Sequence[Any],
        states: list[list[Any]],
        transport: Transport,
        step: Any,
        compress: bool,
        own_flags: Any,
    ) -> tuple[list[Any], list[list[Any]], list[Any]]:
        finite = [ops.all(ops.isfinite(x)) for x in vectors]
        broken_here = ops.cast(ops.logical_not(ops.all(ops.stack(finite)))[None], "uint8")
        # One small message, sent straight to each other: a sum would go round twice.
        flags = broken_here if own_flags is None else ops.concatenate([broken_here, own_flags])
        everyone = ops.max(transport.gather(flags), axis=0)
        broken, anywhere = everyone[0], [] if own_flags is None else [everyone[1:]]
        found: dict[int, Any] = {}
        new_states = []
        for bucket, x, is_finite, state in zip(self._buckets, vectors, finite, states, strict=True):
            x = ops.where(is_finite, x, ops.zeros_like(x))
            reduced = bucket.reduce(x, state, transport, step, compress)
            # A sum of finite numbers may be too large for any.
            is_good = ops.logical_and(broken == 0, ops.all(ops.isfinite(reduced.mean)))
            mean = _times(ops.where(is_good, reduced.mean, np.float32("nan")), self._loss_scale())
            pairs = zip(state, reduced.state, strict=True)
            new_states.append([ops.where(ops.logical_and(is_good, ops.isfinite(b)), b, a) for a, b in pairs])
            found |= bucket.split(mean)
        return [native.cast(found[id(v)], v.dtype) for v in wanted], new_states, anywhere

    def _loss_scale(self) -> Any:
        scales = [x.dynamic_scale for x in chain(self.inner_optimizer) if hasattr(x, "dynamic_scale")]
        return native.read(scales[0]) if scales else 1.0

    def _count(self, sent: Any, calls: Any) -> None:
        done, mebibytes, rest = (self.counter(name) for name in self.counters[:3])
        one = 1 if calls is None else ops.cast(self._is_step(calls), done.dtype)
        if calls is not None:
            native.write([self.counter("calls")], [calls * (1 - one)])
        # Divided first: the bytes of a step of a large model are more than the counter's integers hold.
        now = native.read(rest) + native.cast(sent % _MEBIBYTE, rest.dtype)
        whole = native.cast(sent // _MEBIBYTE, rest.dtype) + now // _MEBIBYTE
        native.write(
            [done, mebibytes, rest], [native.read(done) + one, native.read(mebibytes) + whole, now % _MEBIBYTE]
        )

    @property
    def bytes_sent(self) -> int:
        """What this worker has sent for gradients so far, as payloads; 0 before the first step."""
        if not self.built:
            return 0
        read = [int(ops.convert_to_numpy(self.counter(name))) for name in self.counters[1:3]]
        return read[0] * _MEBIBYTE + read[1]

    # ---- What is saved

    def saved_value(self, role: str, variable: Any) -> np.ndarray:
        """Return what is written of a variable; of what each worker has for itself the mean, for which all must ask."""
        shape = self._local_roles().get(role)
        return super().saved_value(role, variable) if shape is None else engine.mean(variable, shape)

    def kept_value(self, role: str, array: np.ndarray) -> np.ndarray:
        """Return the value of the variable of which this was written; each worker gets the mean."""
        shape = self._local_roles().get(role)
        if shape is None or array.shape != shape:
            return array
        return np.broadcast_to(array, self.state_by_role()[role].shape)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, JSON-ready."""
        compression = self.compression and keras.saving.serialize_keras_object(self.compression)
        return {**super().get_config(), "compression": compression}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """Return an optimizer with this configuration, without state."""
        if isinstance(compression := config.get("compression"), dict):
            config = {**config, "compression": keras.saving.deserialize_keras_object(compression, custom_objects)}
        return super().from_config(config, custom_objects)

    def _local_roles(self) -> dict[str, tuple[int, ...]]:
        """Return what each worker has for itself, by role: the shapes that one worker has."""
        pairs = [pair for bucket in self._buckets for pair in zip(bucket.state, bucket.kept, strict=True)]
        local = {id(v): kept.shape for v, kept in pairs if kept.local}
        return {role: local[id(v)] for role, v in self.state_by_role().items() if id(v) in local}


class _Bucket:
    """Variables whose gradients are sent as one vector, and what the compressor keeps for them."""

    def __init__(self, variables: list[Any], compressor: Compressor | None, accumulates: bool) -> None:
        self.variables, self._compressor = variables, compressor
        self.layout = Layout(tuple(tuple(v.shape) for v in variables))
        self.kept = compressor.state(self.layout) if compressor else []
        if accumulates:
            self.kept = [*self.kept, State("accumulated", (self.layout.size,))]
        self.state: list[Any] = []

    def join(self, known: dict[int, Any], factor: Any) -> Any:
        """Return the gradients times a factor as one vector, 0 where a variable has none."""
        parts = [known.get(id(v)) for v in self.variables]
        tensors = [
            ops.zeros(v.shape, "float32") if x is None else ops.cast(x, "float32")
            for v, x in zip(self.variables, parts, strict=True)
        ]
        return _times(self.layout.join(tensors), factor)

    def split(self, mean: Any) -> dict[int, Any]:
        """Return the parts of a vector by the variables' identities."""
        return {id(v): x for v, x in zip(self.variables, self.layout.split(mean), strict=True)}

    def reduce(self, x: Any, state: list[Any], transport: Transport, step: Any, compress: bool) -> Reduced:
        """Return what the compressor makes of the workers' vectors, or their mean."""
        if self._compressor and compress:
            return self._compressor.reduce(x, self.layout, state, transport, step)
        if self._compressor:
            return self._compressor.reduce_exactly(x, self.layout, state, transport)
        mean, lost = transport.mean(x)
        return Reduced(mean, lost, state)


def _times(x: Any, factor: Any) -> Any:
    """Return a product; without a pass over all gradients where there is nothing to do."""
    return x if isinstance(factor, float) and factor == 1.0 else x * factor


def _buckets(variables: list[Any], compressor: Compressor | None, accumulates: bool) -> list[_Bucket]:
    found: list[list[Any]] = [[]]
    size = 0
    for variable in variables:
        count = int(np.prod(variable.shape))
        if found[-1] and size + count > _BUCKET:
            found.append([])
            size = 0
        found[-1].append(variable)
        size += count
    return [_Bucket(group, compressor, accumulates) for group in found]


def _complete(compression: Compressor | None, warmup_steps: int) -> Compressor | None:
    """Return the compressor with the feedback that it needs, and the warm-up that was asked for."""
    if compression is None:
        return None
    if not compression.unbiased and not compression.remembers:
        compression = ErrorFeedback(compression)
    return WarmUp(compression, warmup_steps) if warmup_steps else compression
