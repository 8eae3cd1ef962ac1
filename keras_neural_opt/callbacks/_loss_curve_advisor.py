"""Reads the loss curves for you."""

from typing import Any

import keras

from keras_neural_opt._core.arguments import check_arguments, choice, integer
from keras_neural_opt.callbacks._training_monitor import TrainingMonitor
from keras_neural_opt.training._diagnosis import Finding, diagnose, findings_table


class LossCurveAdvisor(keras.callbacks.Callback):
    """Says what the loss curves show, by which numbers, and what to try.

    Divergence, a plateau, overfitting, a rate that is too high or too low, dead layers: what one sees in the curves if
    one looks. `training.diagnose` has the rules.

    Args:
        monitor: None, or a `TrainingMonitor` that watches the same training: it knows of dead layers.
        when: `"end"` speaks when training ends, `"epoch"` also after the first epoch that shows something. Defaults to
            `"end"`.
        verbose: 0 says nothing, 1 prints a table. Defaults to 1.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile(kno.optimizers.SGD(100.0), "mse")
        >>> advisor = kno.callbacks.LossCurveAdvisor(verbose=0)
        >>> history = model.fit(x, x[:, :1], epochs=3, callbacks=[advisor], verbose=0)
        >>> [finding.problem for finding in advisor.findings]
        ['divergence']

    Note:
        `findings` are those of the last look. A later `fit` begins a new curve. It looks at the logs of epochs alone:
        steps cost nothing.
    """

    def __init__(self, monitor: TrainingMonitor | None = None, when: str = "end", verbose: int = 1) -> None:
        super().__init__()
        owner = type(self).__name__
        if monitor is not None and not isinstance(monitor, TrainingMonitor):
            raise ValueError(f"{owner}.monitor must be None or a TrainingMonitor; received {monitor!r}")
        checked = check_arguments(owner, when=choice(when, ("end", "epoch")), verbose=integer(verbose, 0, 1))
        self.monitor, self.when, self.verbose = monitor, checked["when"], checked["verbose"]
        self.findings: list[Finding] = []
        self._history: dict[str, list[float]] = {}
        self._said: set[str] = set()

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin a new curve."""
        self._history, self.findings, self._said = {}, [], set()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Take the losses of the epoch."""
        for name in ("loss", "val_loss"):
            if name in (logs or {}):
                self._history.setdefault(name, []).append(float(logs[name]))
        if self.when == "epoch":
            self._look()

    def on_train_end(self, logs: Any = None) -> None:
        """Say what there is to say."""
        self._look()

    def _look(self) -> None:
        if not self._history.get("loss"):
            return
        self.findings = diagnose(self._history, self.monitor.still if self.monitor else ())
        new = [finding for finding in self.findings if finding.problem not in self._said]
        self._said |= {finding.problem for finding in new}
        if new and self.verbose:
            from rich.console import Console

            Console().print(findings_table(new))
