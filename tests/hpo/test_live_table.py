import io
import logging
import re
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from rich.console import Console

from keras_neural_opt.hpo import HalvedStart, OptunaOracle, OptunaTuner, SearchResult
from keras_neural_opt.hpo import _live_table as live_table
from keras_neural_opt.hpo._live_table import LiveTable
from keras_neural_opt.hpo._standing import Watch
from keras_neural_opt.hpo._table import duration
from tests.hpo.searches import TWO, oracle, report, run, two, value_of
from tests.hpo.small import Plain

SHOWN, HIDDEN = "\x1b[?25h", "\x1b[?25l"


def terminal(width: int = 150) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, highlight=False, legacy_windows=False)


def printed(console: Console) -> str:
    """Return the text, without what moves the cursor or colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())


def lines() -> Console:
    return Console(file=io.StringIO(), highlight=False, soft_wrap=True)


@pytest.fixture
def optuna_says(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    handler = next(each for each in logging.getLogger("optuna").handlers if type(each) is logging.StreamHandler)
    monkeypatch.setattr(handler, "stream", stream)
    return stream


def test_a_silent_search_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture, optuna_says: io.StringIO) -> None:
    tuner = OptunaTuner(Plain(lambda hp: hp.Float("x", 0, 1)), "loss", 3, seed=1, directory=tmp_path)
    tuner.search(verbose=0)
    SearchResult(tuner).plot.importance()
    assert capsys.readouterr() == ("", "")
    assert optuna_says.getvalue() == ""


def test_what_optuna_tells_others_it_still_tells(optuna_says: io.StringIO, caplog: pytest.LogCaptureFixture) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    optuna.logging.enable_propagation()
    try:
        with caplog.at_level(logging.INFO):
            oracle().study  # noqa: B018  the first use opens it
    finally:
        optuna.logging.disable_propagation()
    assert "A new study created in memory" in caplog.text  # A handler of the user's own.
    assert optuna_says.getvalue() == ""
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    optuna.create_study(study_name="theirs")
    assert "with name: theirs" in optuna_says.getvalue()


def test_elsewhere_than_in_a_terminal_each_trial_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    tuner = OptunaTuner(Plain(lambda hp: hp.Float("x", 0, 1)), "loss", 3, seed=1, directory=tmp_path, sampler="random")
    tuner.search()
    trials = SearchResult(tuner).trials
    first, *middle, best, last = capsys.readouterr().out.splitlines()
    assert first == "search for the least loss: up to 3 trials"
    assert len(middle) == 3
    for trial, line in zip(trials, middle, strict=True):
        x = trial.hyperparameters["x"]
        assert line.startswith(f"trial {trial.number} completed  loss {x:.4g}  epoch 1  x={x:.4g}  ")
        assert re.search(r"  [123]/3 trials$", line)
    assert best.startswith(f"best: trial {min(trials, key=lambda t: t.values).number} completed  loss ")
    assert re.fullmatch(r"search ended after \d+ s: 3/3 trials, 3 completed, 3 epochs", last)


def test_a_search_that_goes_on_tells_what_is_new() -> None:
    made = run(oracle(max_trials=2))
    made.max_trials = 3
    console = lines()
    with LiveTable(made, 1, console=console):
        run(made)
    first, line, *_ = printed(console).splitlines()
    assert first == "search for the least loss: up to 3 trials, 2 of them done before"
    assert line.startswith("trial 2 completed")


def test_a_terminal_has_a_table_and_then_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_table, "_PERIOD", 0.01)
    made, console, seen = oracle(max_trials=6), terminal(), threading.Event()

    def value(values: Any) -> float:
        # Once the table shows this trial at work.
        while f"{values['rate']:.4g}" not in printed(console):
            seen.wait(0.01)
        return value_of(values)

    with LiveTable(made, 1, console=console):
        run(made, value)
    text = printed(console)
    assert re.search(r"trial +state +loss +epoch +seconds +rate +kind +shift", text)
    assert re.search(r"5/6 trials, 5 completed, 1 running, 15 epochs, 0 s, about 0 s left", text)
    *_, head, first, second, third, last = text.splitlines()
    best = SearchResult(SimpleNamespace(oracle=made)).best_trials
    for trial, row in zip(best, (first, second, third), strict=False):
        assert re.match(rf" +{trial.number} +completed +{trial.values[0]:.4g} +3 ", row)
    assert "trial" in head
    assert last.startswith("search ended after 0 s: 6/6 trials, 6 completed, 18 epochs")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_table_fits(width: int) -> None:
    made, console = run(oracle(max_trials=3)), terminal(width)
    with LiveTable(made, 1, console=console):
        pass
    assert max(map(len, printed(console).replace("\r", "").splitlines())) <= width


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_whatever_ends_a_search_leaves_the_terminal_whole(error: type[BaseException]) -> None:
    made, console = oracle(max_trials=3), terminal()

    def value(values: Any) -> float:
        raise error

    with pytest.raises(error), LiveTable(made, 1, console=console):
        run(made, value)
    text = console.file.getvalue()
    assert text.rindex(SHOWN) > text.rindex(HIDDEN)
    assert "search stopped after 0 s: 0/3 trials" in text
    assert "kno-live-table" not in [thread.name for thread in threading.enumerate()]


def test_names_and_reasons_are_shown_as_they_are() -> None:
    def value(values: Any) -> float:
        raise ArithmeticError("[red]no[/red] way\nand more")

    made = oracle(max_trials=1, hyperparameters=[("[bold]x[/bold]", "uniform", 0.0, 1.0)])
    console = lines()
    with LiveTable(made, 1, console=console):
        run(made, value)
    line = printed(console).splitlines()[1]
    assert "[bold]x[/bold]=" in line
    assert "[red]no[/red] way" in line
    assert "and more" not in printed(console)


def test_several_objectives_have_a_column_each() -> None:
    made, console = oracle(TWO, max_trials=2), terminal()
    with LiveTable(made, 1, console=console):
        run(made, two)
    text = printed(console)
    assert text.startswith("search for the least loss and the least seconds")
    assert re.search(r"trial +state +loss +seconds +epoch", text)


def test_trials_of_others_are_seen(tmp_path: Path) -> None:
    ours, theirs = (oracle(max_trials=2, storage=tmp_path / "journal") for _ in range(2))
    console = lines()
    with LiveTable(ours, 1, console=console):
        run(theirs)
    assert [line[:7] for line in printed(console).splitlines()[1:3]] == ["trial 0", "trial 1"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def after(clock: list[float], watch: Watch, made: Any, seconds: float) -> float | None:
    trial = made.create_trial("here")
    clock[0] += seconds
    report(made, trial, 1.0, 1)
    made.end_trial(trial)
    return watch.look(1, 1).left


def test_the_time_left_comes_from_all_but_the_first_trials(clock: list[float]) -> None:
    made = oracle(max_trials=10)
    watch = Watch(made, None)
    # The first one compiles.
    assert [after(clock, watch, made, s) for s in (100, 10, 14, 12)] == [None, None, 7 * 12, 6 * 12]


def test_the_time_left_is_never_more_than_the_limit(clock: list[float]) -> None:
    made = oracle(max_trials=10)
    watch = Watch(made, 150)
    assert watch.look(1, 1).left == 150
    assert [after(clock, watch, made, s) for s in (100, 10, 10)] == [50, 40, 30]


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({"max_trials": None}, None),
        ({"max_trials": None, "hyperparameters": [("n", "int", 1, 4)]}, 4),
        ({"max_trials": 3, "hyperparameters": [("n", "int", 1, 4)]}, 3),
    ],
)
def test_there_are_no_more_trials_than_configurations(options: dict, total: int | None) -> None:
    assert Watch(oracle(**options), None).total == total


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.4, "59 s"), (90, "2 min"), (7000, "117 min"), (7300, "2 h 02 min")]
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_trial_that_goes_on_is_no_further_one() -> None:
    search = OptunaOracle("loss", 6, "random", HalvedStart(3), [("x", "uniform", 0.0, 1.0)], seed=1)
    watch = Watch(search, None)
    while (trial := search.create_trial("here")).status != "STOPPED":
        for epoch in range(trial.hyperparameters.initial_epoch, 3):
            told = search.update_trial(trial.trial_id, {"loss": 1.0}, epoch, epoch == 2)
            if told.status == "STOPPED":
                break
        trial.status = told.status if told.status == "STOPPED" else "COMPLETED"
        search.end_trial(trial)
    assert len(search.study.trials) == 7
    standing = watch.look(9, 9)
    assert standing.finished == standing.total == 6
    assert standing.left is None
