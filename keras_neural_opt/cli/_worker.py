"""Join a search from this machine; what is searched comes from the script here, never from the storage."""

import argparse

from keras_neural_opt.cli import _search_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the sub-command."""
    _search_options.add_arguments(parser, "default that of the search")
    parser.add_argument("--storage", required=True, help="journal or address of the database")
    parser.add_argument("--study", required=True, help="the study's name in the storage")


def run(options: argparse.Namespace) -> None:
    """Run trials until the search has ended."""
    import optuna

    from keras_neural_opt.cli._searching import arguments_of_fit, tuner_of
    from keras_neural_opt.hpo._journal import open_storage
    from keras_neural_opt.hpo._records import settings as searched

    try:
        study = optuna.load_study(study_name=options.study, storage=open_storage(options.storage))
    except KeyError:
        raise ValueError(f"--study must be one in {options.storage}; received {options.study!r}") from None
    directions = searched(study).get("objectives", {})
    found = {"objective": ":".join(*directions.items())} if len(directions) == 1 else {}
    settings = _search_options.chosen(options, {**_search_options.written_down(study), **found})
    tuner_of(options, settings, None).search(**arguments_of_fit(options, settings), join=True)
