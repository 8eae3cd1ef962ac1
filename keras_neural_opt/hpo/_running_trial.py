"""A trial that runs here."""

import time

import optuna

from keras_neural_opt.hpo._heartbeat import Pulse


class RunningTrial:
    """What an oracle keeps of a trial that runs in its process.

    Args:
        trial: The trial of Optuna.
        pulse: Its signs of life.
    """

    def __init__(self, trial: optuna.Trial, pulse: Pulse) -> None:
        self.trial, self.pulse, self.since = trial, pulse, time.monotonic()
        self.reports = self.begun_at = self.bracket = 0
        self.paused = False
