"""Optuna's news off the terminal, where the search tells its own."""

import contextlib
import logging
import threading
from collections.abc import Iterator

import optuna


class _NoNews(logging.Filter):
    """Lets warnings and errors pass, and all that other threads say."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO or record.thread != self._thread


@contextlib.contextmanager
def without_news() -> Iterator[None]:
    """Keep from the terminal what Optuna logs as information here, such as that a study was created.

    Its level stays as the user set it, and so does what reaches handlers of the user's own.
    """
    # That of the terminal, which Optuna adds: those of the user's that write files are of other types.
    handlers = [h for h in logging.getLogger(optuna.__name__).handlers if type(h) is logging.StreamHandler]
    news = _NoNews()
    for handler in handlers:
        handler.addFilter(news)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(news)
