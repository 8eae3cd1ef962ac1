"""Reads the command line and starts the sub-command."""

# Nothing here may import Keras before the backend is chosen.
import argparse
import sys
from collections.abc import Sequence

from keras_neural_opt.cli import _bench, _launch, _list, _plot_schedule, _quickstart, _tune, _worker
from keras_neural_opt.cli._backend import BACKENDS, use_backend

_COMMANDS = {
    "quickstart": _quickstart,
    "list": _list,
    "launch": _launch,
    "bench": _bench,
    "plot-schedule": _plot_schedule,
    "tune": _tune,
    "worker": _worker,
}
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the command's name; by default what the process was started with.

    Returns:
        The exit status: 0, 1 for an error, which is printed, or 130 where the user stopped it.
    """
    parser = argparse.ArgumentParser(prog="keras-neural-opt", description="Optimizers for Keras 3.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in _COMMANDS.items():
        summary = (module.__doc__ or "").strip()
        command = commands.add_parser(name, help=summary, description=summary)
        command.add_argument(
            "--backend",
            choices=BACKENDS,
            help="what Keras runs on; default KERAS_BACKEND, or the first that is installed",
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run, prepare=getattr(module, "prepare", None))
    options = parser.parse_args(arguments)
    try:
        if options.prepare:
            options.prepare(options)
        if options.run is not _launch.run:  # it only starts programs, which choose for themselves what they import
            use_backend(options.backend)
        options.run(options)
    except (OSError, RuntimeError, ValueError, ModuleNotFoundError) as error:
        print(f"keras-neural-opt: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        hint = ": the same command goes on where it was" if options.run in (_tune.run, _worker.run) else ""
        print(f"keras-neural-opt: stopped{hint}", file=sys.stderr)
        return _INTERRUPTED
    return 0
