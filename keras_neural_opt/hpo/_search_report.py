"""The report of a search as one HTML page."""

import html
import platform
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras

from keras_neural_opt.hpo._parameter import is_finite
from keras_neural_opt.training._report import html_figure, html_page, html_table

if TYPE_CHECKING:
    from keras_neural_opt.hpo._result import SearchedTrial, SearchResult

_LONGEST_REASON = 160


def search_page(result: "SearchResult") -> str:
    """Return the report of a search."""
    trials, names = result.trials, [each.name for each in result.oracle.objectives]
    parts = [_summary(result, trials), *_best(result), *_pictures(result), "<h2>Trials</h2>", _table(trials, names)]
    versions = f"Keras {keras.__version__} on {keras.backend.backend()}, Python {platform.python_version()}"
    parts.append(f'<p class="soft">{html.escape(versions)}</p>')
    return html_page(result.title, "\n".join(parts))


def _summary(result: "SearchResult", trials: list["SearchedTrial"]) -> str:
    goal = " and ".join(
        f"the {'least' if each.direction == 'min' else 'greatest'} {each.name}" for each in result.oracle.objectives
    )
    states = ", ".join(f"{count} {state}" for state, count in Counter(t.state for t in trials).items())
    seconds = sum(trial.seconds or 0.0 for trial in trials)
    text = f"Searched for {goal} in {len(trials)} trials: {states or 'none'}; {seconds:.0f} s of training."
    return f"<p>{html.escape(text)}</p>"


def _best(result: "SearchResult") -> Iterator[str]:
    names, best = [each.name for each in result.oracle.objectives], result.best_trials
    if len(names) > 1:
        yield f"<p>{len(best)} trials are such that no other is better in everything.</p>"
    if best:
        trial = result.best_trial
        yield f"<h2>Best {result.what}</h2>"
        values = ", ".join(f"{name} {in_words(v)}" for name, v in zip(names, trial.values or (), strict=True))
        rows = [(name, in_words(value)) for name, value in trial.hyperparameters.items()]
        yield html_table(f"Trial {trial.number}: {values}", (result.varied, "value"), rows)


def _pictures(result: "SearchResult") -> Iterator[str]:
    for name, (heading, description) in result.plot.in_report.items():
        try:
            figure = getattr(result.plot, name)()
        except ValueError:  # There is nothing to see, such as a front of one objective.
            continue
        yield f"<h2>{heading}</h2>\n{html_figure(figure, description)}"


def _table(trials: list["SearchedTrial"], objectives: list[str]) -> str:
    varied = list(dict.fromkeys(name for trial in trials for name in trial.hyperparameters))
    header = ("trial", "state", *objectives, "best epoch", "seconds", *varied, "reason")
    return html_table("All trials", header, [_row(trial, len(objectives), varied) for trial in trials])


def _row(trial: "SearchedTrial", objectives: int, varied: list[str]) -> list[str]:
    values = trial.values or ("",) * objectives
    of_it = [trial.hyperparameters.get(name, "") for name in varied]
    reason = " ".join((trial.reason or "").split())
    if len(reason) > _LONGEST_REASON:
        reason = f"{reason[:_LONGEST_REASON]}..."
    cells = (trial.number, trial.state, *values, trial.best_epoch or "", seconds_in_words(trial.seconds), *of_it)
    return [*map(in_words, cells), "" if reason == trial.state else reason]


def in_words(value: Any) -> str:
    """Return a value as text, a number with four digits."""
    return f"{value:.4g}" if isinstance(value, float) and is_finite(value) else str(value)


def seconds_in_words(seconds: float | None) -> str:
    """Return a time in seconds, to the tenth."""
    return "" if seconds is None else f"{seconds:.1f}"
