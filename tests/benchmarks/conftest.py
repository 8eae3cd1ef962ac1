import csv
import itertools

import pytest


@pytest.fixture
def table(tmp_path):
    """All 864 configurations, each of a last loss of its own, one more after each epoch before."""
    levels = {
        "lr": [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0],
        "units": [8, 16, 32, 64],
        "batch": [32, 128],
        "act": ["relu", "tanh"],
        "wd": [0.0001, 0.001, 0.01],
        "opt": ["adam", "sgdm"],
    }
    with (tmp_path / "hpo_digits_table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*levels, *(f"vl{epoch}" for epoch in range(1, 28))])
        for i, row in enumerate(itertools.product(*levels.values())):
            writer.writerow([*row, *(0.06055 + i + 27 - epoch for epoch in range(1, 28))])
    return tmp_path
