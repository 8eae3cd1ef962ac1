"""Runs one rank's script as Python itself would, but a rank that fails leaves at once.

Run as a file, without the package: the script is the first to import anything. Some engines let a process that ends
wait for all others, which wait for it in turn.
"""

import os
import runpy
import sys
from types import TracebackType


def main() -> None:
    """Run the script that the command line names, with the arguments that follow it."""
    del sys.argv[0]
    script = sys.argv[0]
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.abspath(script))
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ending:
        if ending.code not in (None, 0):
            _leave(_status(ending.code))
    except BaseException as error:  # also Ctrl-C
        # Python's own hook reads the traceback of the error, not the one that it is given.
        error.with_traceback(_of_script(error.__traceback__))
        sys.excepthook(type(error), error, error.__traceback__)
        _leave(130 if isinstance(error, KeyboardInterrupt) else 1)


def _status(code: object) -> int:
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def _of_script(traceback: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that begins in the script."""
    while traceback and traceback.tb_next:
        if traceback.tb_frame.f_code.co_filename not in (__file__, runpy.__file__, "<frozen runpy>"):
            break
        traceback = traceback.tb_next
    return traceback


def _leave(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
