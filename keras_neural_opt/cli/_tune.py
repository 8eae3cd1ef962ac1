"""Search for the best hyperparameters of a model that a script builds; the same command continues a search."""

import argparse

from keras_neural_opt.cli import _search_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the sub-command."""
    _search_options.add_arguments(parser, "")
    parser.add_argument(
        "--storage", help="journal or database, so that others can join; default a journal in the project"
    )
    parser.add_argument("--study", default="search", help="the study's name in the storage; default %(default)s")
    parser.add_argument("--workers", type=int, help="processes; default this one alone")
    parser.add_argument("--seed", type=int, help="where the random numbers begin")


def run(options: argparse.Namespace) -> None:
    """Search, print the best trials."""
    from rich.console import Console

    from keras_neural_opt.cli._searching import arguments_of_fit, table_of, tuner_of
    from keras_neural_opt.hpo import SearchResult

    settings = _search_options.chosen(options, {})
    tuner = tuner_of(options, settings, options.seed)
    fit = arguments_of_fit(options, settings)
    _search_options.write_down(tuner.oracle.study, settings)
    tuner.search(**fit, workers=options.workers)
    Console().print(table_of(SearchResult(tuner)))
