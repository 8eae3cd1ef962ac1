"""How far the training is."""

import time
from typing import TYPE_CHECKING, Any

import keras

from keras_neural_opt._core.arguments import integer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table


class TrainingProgress(keras.callbacks.Callback):
    """Shows the progress of `fit`: a bar and a closing table, or a line an epoch.

    Use it instead of Keras' own bar (`verbose=0`) for long trainings with short epochs: there is one bar for the whole
    training, not one an epoch.

    Args:
        verbose: 0 prints nothing, 1 shows a bar and then a table (default), 2 prints a line after each epoch.
        console: Where to print, a `rich.console.Console`. Defaults to the standard output.

    Raises:
        ValueError: `verbose` is none of the three.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> model.compile(optimizer="radam", loss="mse")
        >>> progress = kno.callbacks.TrainingProgress(verbose=2)
        >>> _ = model.fit(np.zeros((8, 2)), np.zeros((8, 1)), epochs=2, verbose=0, callbacks=[progress])
        epoch 1/2  loss 0
        epoch 2/2  loss 0

    Note:
        It reads the logs alone and never the model, which on JAX would copy all weights back at each look.
    """

    def __init__(self, verbose: int = 1, console: "Console | None" = None) -> None:
        from rich.console import Console

        super().__init__()
        self.verbose: int = integer(verbose, 0, 2).check(type(self).__name__, "verbose")
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._bar: Progress | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the bar."""
        self._first: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._epoch, self._start = 0, time.perf_counter()
        if self.verbose == 1:
            self._bar = _bar(self._console)
            self._task = self._bar.add_task("epoch", total=self.params["epochs"])
            self._bar.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar by one batch."""
        steps = self.params.get("steps")
        if self._bar and steps:
            self._bar.update(self._task, completed=self._epoch + min(1.0, (batch + 1) / steps))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Show what the epoch brought."""
        self._epoch = epoch + 1
        self._last = {name: float(value) for name, value in (logs or {}).items()}
        self._first = self._first or self._last
        numbers = _in_words(self._last)
        if self._bar:
            self._bar.update(self._task, completed=self._epoch, description=f"epoch  {numbers}")
        if self.verbose == 2:
            self._console.print(f"epoch {self._epoch}/{self.params['epochs']}  {numbers}", markup=False)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Replace the bar by the table."""
        if self._bar:
            self.close()
            self._console.print(self._summary())

    def close(self) -> None:
        """Take the bar away, which a training that failed leaves behind."""
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _summary(self) -> "Table":
        from rich.table import Table

        seconds = time.perf_counter() - self._start
        table = Table("", "first epoch", "last epoch", title=f"{self._epoch} epochs in {seconds:.1f} s")
        for name, value in self._last.items():
            table.add_row(name, f"{self._first[name]:.6g}", f"{value:.6g}")
        return table


def _bar(console: "Console") -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


def _in_words(logs: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.6g}" for name, value in logs.items())
