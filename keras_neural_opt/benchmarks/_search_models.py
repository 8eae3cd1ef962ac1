"""Hypermodels that train nothing, for what a search does around its trials."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt


class Bowl(kt.HyperModel):
    """Is best in the middle, and notes each run that was finished in a folder.

    Args:
        notes: The folder.
        seconds: How long a run sleeps.
        together: So many processes wait for each other before their first run ends.
    """

    def __init__(self, notes: Path, seconds: float = 0.0, together: int = 1) -> None:
        super().__init__()
        self.notes, self.seconds, self.together = notes, seconds, together

    def build(self, hp: Any) -> Any:
        """Draw a number; the model is empty."""
        hp.Float("x", 0.0, 1.0)
        return keras.Sequential()

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> float:
        """Sleep, and return the square of the distance to the middle."""
        began, note = time.time(), self.notes / str(os.getpid())
        note.touch()
        while len(list(self.notes.iterdir())) < self.together:
            time.sleep(0.01)
        self.meanwhile(hp)
        with open(note, "a") as file:
            file.write(f"{began} {time.time()} {hp['x']}\n")
        return (hp["x"] - 0.5) ** 2

    def meanwhile(self, hp: Any) -> None:
        """Sleep."""
        time.sleep(self.seconds)

    def runs(self) -> dict[str, list[list[float]]]:
        """Return begin, end and value of each run by the process that ran it, in order."""
        return {
            path.name: [[float(word) for word in line.split()] for line in path.read_text().splitlines()]
            for path in self.notes.iterdir()
        }


class Faulty(Bowl):
    """Ends its process below 0.2, hangs below 0.4, raises below 0.6, and above 0.9 is killed in its first run."""

    def meanwhile(self, hp: Any) -> None:
        """Go wrong."""
        if hp["x"] < 0.2:
            os._exit(0)
        if hp["x"] < 0.4:
            time.sleep(3600)
        if hp["x"] < 0.6:
            raise OSError("no such luck")
        killed = self.notes.parent / "killed"
        if hp["x"] > 0.9 and not killed.exists():
            killed.write_text(str(time.time()))
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
