"""Tells whether compression pays on this link."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from keras_neural_opt._core.arguments import check_arguments, flag, integer
from keras_neural_opt._core.files import write_atomic
from keras_neural_opt._core.nested import chain
from keras_neural_opt._core.scalars import number
from keras_neural_opt.compression import Compressor
from keras_neural_opt.distributed._cluster import cluster
from keras_neural_opt.distributed._engine import engine
from keras_neural_opt.distributed._optimizer import DistributedOptimizer
from keras_neural_opt.distributed._rehearsal import raw_bytes, reduction_times, residual_norm

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console
    from rich.table import Table


_HISTORY = ("steps", "bytes_sent", "float32_bytes", "residual_norm")


class CommunicationStats(keras.callbacks.Callback):
    r"""Says what a `DistributedOptimizer` has sent, and whether its compressor wins or loses on this link.

    Within a compiled step no clock can tell communication from the rest. So before training begins the workers reduce
    their weights, which have the shapes of gradients, several times through the compressor and as float32, in turn.
    That changes neither weights nor state, counters or random numbers. After each epoch it reads the bytes that a
    worker has sent, and the length of what waits to be sent,

    .. math::
        \sqrt{\tfrac{1}{N} \sum_{w=1}^{N} \lVert e_w \rVert^2},

    the root of the mean square over the workers. At the end the first worker prints a table and the advice. Every
    worker needs the callback, since all measure together.

    Args:
        auto_off: Whether a compressor that loses is switched off for this training and those after it, on all workers
            alike; one that wins is switched on again. What waits to be sent goes with the first exact mean. Defaults to
            False.
        rounds: How many reductions of each kind are timed, >= 1, after two that are not. Defaults to 7.
        console: Where to print, a `rich.console.Console`. Defaults to the standard output.

    Attributes:
        history: Of the last training, a list each with a number an epoch: `steps` of the optimizer, `bytes_sent` by a
            worker, as payloads, `float32_bytes`, which the same steps would have sent uncompressed,
            :math:`8 n (N - 1) / N` for `n` elements, and `residual_norm`, None where nothing waits.
        seconds: What a reduction takes, `compressed` and `float32`: the medians of the rounds, as the mean over the
            processes. Empty with one worker.

    Raises:
        ValueError: An argument breaks its rule. When training begins: the model is not compiled with a
            `DistributedOptimizer`, or `auto_off` is set for a compressor whose result is no mean, as a vote.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> optimizer = kno.distributed.DistributedOptimizer("adam", kno.compression.Int8())
        >>> model.compile(optimizer, "mse")
        >>> stats = kno.distributed.CommunicationStats()
        >>> _ = model.fit(np.zeros((8, 2)), np.zeros((8, 1)), batch_size=4, verbose=0, callbacks=[stats])
        one worker has nobody to send gradients to
        >>> stats.history["steps"], stats.history["bytes_sent"]
        ([2], [0])

    Note:
        Times are those of the reduction alone, which nothing overlaps with; they hold for the load of the link while
        they are measured. It wins or loses against float32 of the same optimizer: on fast links training without any
        such optimizer, as `DistributedDataParallel`, may win against both. Bytes sent have some more in them than
        gradients: whether all are finite, and on torch who has one. They are read at the ends of epochs alone, at which
        JAX copies weights back.
    """

    def __init__(self, auto_off: bool = False, rounds: int = 7, console: "Console | None" = None) -> None:
        from rich.console import Console

        super().__init__()
        given = check_arguments(type(self).__name__, auto_off=flag(auto_off), rounds=integer(rounds, 1))
        self._auto_off, self._rounds = given["auto_off"], given["rounds"]
        self._console = console or Console(highlight=False, soft_wrap=True)
        self.history: dict[str, list[Any]] = {name: [] for name in _HISTORY}
        self.seconds: dict[str, float] = {}
        self._before, self._begun = (0, 0), 0
        self._residual_norm: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Time reductions, and switch compression off where it loses and that is wanted."""
        model, optimizer = self.model, self._optimizer()
        compression = optimizer.compression
        if self._auto_off and compression is not None and not compression.is_mean:
            raise ValueError(
                f"{type(self).__name__}.auto_off must be False for {compression!r}, whose result is no mean of"
                " gradients: the learning rate suits one of them only"
            )
        self.history = {name: [] for name in _HISTORY}
        with engine.scope(model):
            self.seconds, self._residual_norm = {}, None
            if engine.workers() > 1:
                if not optimizer.built:
                    model.optimizer.build(model.trainable_variables)
                self.seconds = reduction_times(optimizer, self._rounds)
            self._before = _counted(optimizer)
        self._begun = self._before[0]
        if self._auto_off and "compressed" in self.seconds and optimizer.compresses != self._wins():
            optimizer.compresses = self._wins()
            engine.trace_again(model)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Read the counters, and measure what waits, together with the other workers."""
        model, optimizer = self.model, self._optimizer()  # On JAX `model` brings the state back from the step.
        with engine.scope(model):
            if self._residual_norm is None:
                self._residual_norm = residual_norm(optimizer)
            waiting, each = self._residual_norm(), raw_bytes(optimizer)
            steps, sent = _counted(optimizer)
        done = steps - self._before[0]
        values = done, sent - self._before[1], round(done * each), waiting
        for name, value in zip(self.history, values, strict=True):
            self.history[name].append(value)
        self._before = steps, sent

    def on_train_end(self, logs: Any = None) -> None:
        """Print the table and the advice, on the first worker."""
        if cluster().rank == 0:
            if self.seconds:
                kind = "compressed" if self._optimizer().compresses else "float32"
                self._console.print(self._table(kind))
            self._console.print(self.advice(), markup=False)

    def advice(self) -> str:
        """Return in a sentence whether compression wins on this link; after training began."""
        optimizer = self._optimizer()
        if not self.seconds:
            return "one worker has nobody to send gradients to"
        plain = _milliseconds(self.seconds["float32"])
        if optimizer.compression is None:
            return f"nothing is compressed: on this link a reduction in float32 takes {plain}"
        verdict = "wins" if self._wins() else "loses"
        words = f"on this link {_words(optimizer.compression)} {verdict}: {_milliseconds(self.seconds['compressed'])}"
        return f"{words} instead of {plain} a step{'' if optimizer.compresses else '; it is switched off'}"

    def plot(self, path: str | os.PathLike[str] | None = None) -> "Figure":
        """Return a matplotlib figure of bytes against those of float32, and of what waits, over the epochs.

        Args:
            path: A file to write it to as well, which ends in `.svg`, `.png` or `.pdf`.

        Raises:
            ValueError: The path ends in something else, or no epoch has ended yet.
        """
        from keras_neural_opt.distributed._communication_figure import communication_figure

        if not self.history["steps"]:
            raise ValueError(f"{type(self).__name__}.plot needs an epoch that has ended")
        kind = Path(path).suffix[1:] if path else "svg"
        if kind not in ("svg", "png", "pdf"):
            raise ValueError(f"{type(self).__name__}.plot: path must end in .svg, .png or .pdf; received {path!r}")
        figure = communication_figure(self.history)
        if path:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind)
            write_atomic(path, buffer.getvalue())
        return figure

    def _optimizer(self) -> DistributedOptimizer:
        outer = self.model.optimizer
        found = next((x for x in chain(outer) if isinstance(x, DistributedOptimizer)), None)
        if found is None:
            raise ValueError(
                f"{type(self).__name__} must get a model that is compiled with a DistributedOptimizer; received one"
                f" with {type(outer).__name__}"
            )
        return found

    def _wins(self) -> bool:
        return self.seconds["compressed"] < self.seconds["float32"]

    def _table(self, kind: str) -> "Table":
        from rich.table import Table

        sent, plain = sum(self.history["bytes_sent"]), sum(self.history["float32_bytes"])
        waiting = next(iter(self.history["residual_norm"][-1:]), None)
        table = Table("communication", "", show_header=False, title="communication of a worker")
        table.columns[1].justify = "right"
        table.add_row("steps", f"{sum(self.history['steps']):,}")
        table.add_row("bytes sent", f"{sent:,}")
        table.add_row("bytes in float32", f"{plain:,}")
        table.add_row("ratio", f"{plain / sent:.3g}" if sent else "-")
        table.add_row("residual norm", "-" if waiting is None else f"{waiting:.3g}")
        for name, seconds in self.seconds.items():
            table.add_row(f"a reduction, {name}", _milliseconds(seconds))
        spent = (self._before[0] - self._begun) * self.seconds[kind]
        table.add_row("all reductions, about", f"{spent:.3g} s")
        return table


def _counted(optimizer: DistributedOptimizer) -> tuple[int, int]:
    """Return how many steps an optimizer has taken, and the bytes that this worker has sent."""
    return int(number(optimizer.counter("reductions"))) if optimizer.built else 0, optimizer.bytes_sent


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"


def _words(compressor: Compressor) -> str:
    """Return the name of a compressor's class, with what is inside of it."""
    inside = getattr(compressor, "compression", None)
    return f"{type(compressor).__name__}({_words(inside)})" if inside else type(compressor).__name__
