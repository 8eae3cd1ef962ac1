"""A trial that runs here."""

import time

import optuna

from keras_neural_opt.hpo._heartbeat import Pulse
from keras_neural_opt.hpo._records import PAUSED


class RunningTrial:
    """What an oracle keeps of a trial that runs in its process.

    Args:
        trial: The trial of Optuna.
        pulse: Its signs of life.
    """

    def __init__(self, trial: optuna.Trial, pulse: Pulse) -> None:
        self.trial, self.pulse, self.since = trial, pulse, time.monotonic()
        self.reports = self.begun_at = self.bracket = 0
        self.paused = self.diverged = False

    @property
    def why_it_ended(self) -> str:
        """Why it ended before its time."""
        return "diverged" if self.diverged else PAUSED if self.paused else "pruned"
