"""A search in words and in a table."""

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from keras_neural_opt.hpo._search_report import in_words, seconds_in_words

if TYPE_CHECKING:
    from keras_neural_opt.hpo._result import SearchedTrial
    from keras_neural_opt.hpo._standing import Standing, Watch

_COLORS = {
    "completed": "green",
    "pruned": "yellow",
    "paused": "yellow",
    "diverged": "yellow",
    "refused": "yellow",
    "failed": "red",
    "running": "cyan",
}
# What the columns beside the hyperparameters need, and each of these at least.
_REST, _NARROWEST = 46, 9


def purpose(objectives: list[Any], watch: "Watch", time_limit: float | None) -> str:
    """Return what is searched and how long at most."""
    goals = " and ".join(f"the {'least' if o.direction == 'min' else 'greatest'} {o.name}" for o in objectives)
    trials = "no limit of trials" if watch.total is None else f"up to {watch.total} trials"
    limit = "" if time_limit is None else f", begun within {duration(time_limit)}"
    before = f", {watch.finished_before} of them done before" if watch.finished_before else ""
    return f"search for {goals}: {trials}{limit}{before}"


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def line(trial: "SearchedTrial", objectives: list[Any], standing: "Standing | None" = None) -> str:
    """Return a line about a trial that ended."""
    values = trial.values or ()
    parts = [
        f"trial {trial.number} {trial.state}",
        *(f"{o.name} {in_words(v)}" for o, v in zip(objectives, values, strict=False)),
        "" if trial.best_epoch is None else f"epoch {trial.best_epoch}",
        *_hyperparameters(trial),
        "" if trial.seconds is None else f"{trial.seconds:.1f} s",
        "" if trial.reason in (None, trial.state) else _first_line(trial.reason),
        "" if standing is None else _done(standing),
    ]
    return "  ".join(part for part in parts if part)


def picture(standing: "Standing", objectives: list[Any], width: int) -> Group:
    """Return the table, and how far the search is.

    Args:
        standing: How it stands.
        objectives: What is searched.
        width: Characters that fit side by side.
    """
    best = standing.best[:1]
    rows = [(trial, "bold") for trial in best] + [(trial, "") for trial in standing.latest if trial not in best]
    return Group(_table(rows, objectives, width), _foot(standing))


def final_lines(
    standing: "Standing", objectives: list[Any], error: BaseException | None, width: int | None
) -> list[Any]:
    """Return what is left to read when a search has ended.

    Args:
        standing: How it ended.
        objectives: What was searched.
        error: What ended it before its time, or None.
        width: Characters of a terminal that fit side by side; None: there is no terminal, so no table.
    """
    ended = "ended" if error is None else "stopped"
    summary = f"search {ended} after {duration(standing.seconds)}: {_done(standing)}, {_counts(standing)}"
    if width is None:
        return [*(f"best: {line(trial, objectives)}" for trial in standing.best[:1]), summary]
    rows = [(trial, "bold" if place == 0 else "") for place, trial in enumerate(standing.best)]
    return [*([_table(rows, objectives, width)] if rows else []), summary]


def _table(rows: list[tuple["SearchedTrial", str]], objectives: list[Any], width: int) -> Table:
    names = list(dict.fromkeys(name for trial, _ in rows for name in trial.hyperparameters))
    narrow = _REST + 12 * (len(objectives) - 1) + sum(max(len(name), _NARROWEST) + 2 for name in names) > width
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in ("trial", "state", *(o.name for o in objectives), "epoch", "seconds"):
        table.add_column(Text(name), justify="left" if name == "state" else "right", no_wrap=True)
    for name in ["hyperparameters"] if narrow else names:
        table.add_column(Text(name), justify="left" if narrow else "right", no_wrap=not narrow)
    for trial, style in rows:
        table.add_row(*_cells(trial, objectives), *_of_it(trial, names, narrow), style=style)
    return table


def _cells(trial: "SearchedTrial", objectives: list[Any]) -> list[Text]:
    state = Text(trial.state, style=_COLORS.get(trial.state, ""))
    return [Text(str(trial.number)), state, *_values(trial, objectives), Text(seconds_in_words(trial.seconds))]


def _values(trial: "SearchedTrial", objectives: list[Any]) -> list[Text]:
    """Return the objectives and their epoch; of a trial that did not complete those of its last epoch, pale."""
    if trial.values is not None:
        return [*(Text(in_words(value)) for value in trial.values), Text(str(trial.best_epoch or ""))]
    curves = [trial.history.get(each.name) or [] for each in objectives]
    last = [Text(in_words(curve[-1]) if curve else "", style="dim") for curve in curves]
    return [*last, Text(str(len(curves[0]) or ""), style="dim")]


def _of_it(trial: "SearchedTrial", names: list[str], narrow: bool) -> list[Text]:
    if narrow:
        return [Text("  ".join(_hyperparameters(trial)))]
    values = trial.hyperparameters
    return [Text(in_words(values[name]) if name in values else "") for name in names]


def _hyperparameters(trial: "SearchedTrial") -> list[str]:
    return [f"{name}={in_words(value)}" for name, value in trial.hyperparameters.items()]


def _foot(standing: "Standing") -> Table:
    left = "" if standing.left is None else f", about {duration(standing.left)} left"
    foot = Table.grid(padding=(0, 2))
    bar = [] if standing.total is None else [ProgressBar(standing.total, min(standing.finished, standing.total), 24)]
    text = f"{_done(standing)}, {_counts(standing)}, {duration(standing.seconds)}{left}"
    foot.add_row(*bar, Text(text))
    return foot


def _done(standing: "Standing") -> str:
    return f"{standing.finished}{'' if standing.total is None else f'/{standing.total}'} trials"


def _counts(standing: "Standing") -> str:
    counts = [f"{count} {state}" for state, count in standing.states.most_common()]
    return ", ".join([*counts, f"{standing.epochs} epochs"])


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]
