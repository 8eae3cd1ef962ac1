"""What is seen of a search while it runs: a table that is alive in a terminal, and lines elsewhere."""

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from optuna.exceptions import StorageInternalError

from keras_neural_opt.hpo._standing import Standing, Watch
from keras_neural_opt.hpo._table import duration, final_lines, line, picture, purpose

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.live import Live

# Seconds between two looks: soon enough for the eye, too seldom to cost what anybody would notice.
_PERIOD = 1.0
_LATEST, _BEST = 8, 3


class LiveTable:
    """Shows a search from its beginning to its end, as a context.

    A thread looks at the study once a second, so that trials of other processes are seen, too, and none waits for the
    terminal.

    Args:
        oracle: An `OptunaOracle`.
        verbose: 0: nothing is shown.
        time_limit: Seconds after which no trial begins, or None.
        console: Where to print. Defaults to the standard output.
    """

    def __init__(
        self, oracle: Any, verbose: int, time_limit: float | None = None, console: "Console | None" = None
    ) -> None:
        self._oracle, self._verbose, self._time_limit, self._console = oracle, verbose, time_limit, console
        self._over = threading.Event()
        self._live: Live | None = None
        self._estimated = False

    def __enter__(self) -> None:
        if not self._verbose:
            return
        from rich.console import Console
        from rich.live import Live

        self._console = self._console or Console(highlight=False, soft_wrap=True)
        self._watch = Watch(self._oracle, self._time_limit)
        self._told: set[int] = set()
        self._watch.since(self._told)
        self._print(purpose(self._oracle.objectives, self._watch, self._time_limit))
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._thread = threading.Thread(target=self._keep_showing, name="kno-live-table", daemon=True)
        self._thread.start()

    def __exit__(
        self, kind: "type[BaseException] | None", error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        if not self._verbose:
            return
        self._over.set()
        try:
            self._thread.join()
            if self._live is None:
                self._tell()
        finally:
            # Before anything else may fail: it gives the terminal its cursor back.
            if self._live is not None:
                self._live.stop()
        width = None if self._live is None else self._live.console.width
        self._print(*final_lines(self._look(), self._oracle.objectives, error, width))

    def _keep_showing(self) -> None:
        while not self._over.wait(_PERIOD):
            # A database that cannot be reached just now: the next look may.
            with contextlib.suppress(StorageInternalError):
                self._show()

    def _show(self) -> None:
        if self._live is None:
            self._tell()
        else:
            # Looked at first: no lock of the terminal is held while others hold those of the search.
            shown = picture(self._look(), self._oracle.objectives, self._live.console.width)
            self._live.update(shown, refresh=True)

    def _tell(self) -> None:
        new = self._watch.since(self._told)
        if not new:
            return
        standing = self._look()
        self._print(*(line(trial, self._oracle.objectives, standing) for trial in new))
        if standing.left is not None and not self._estimated:
            self._estimated = True
            self._print(f"about {duration(standing.left)} left")

    def _look(self) -> Standing:
        return self._watch.look(_LATEST, _BEST)

    def _print(self, *shown: Any) -> None:
        if self._console is not None:
            for each in shown:
                self._console.print(each, markup=False)
