"""The first seconds of a script, in which it imports what it needs.

A script begins with it, before all other imports:

    if __name__ == "__main__":
        from goodparts.loading import begin_loading

        begin_loading()

A terminal shows that something happens, and Ctrl-C prints one line instead of a
traceback: nothing has been begun then, so nothing is left half done. `run_command` ends
this when the script's `main` starts.
"""

import os
import signal
import sys

SHOWN = "loading..."


def begin_loading():
    """Shows a line on a terminal; Ctrl-C now ends the process with exit status 130."""
    signal.signal(signal.SIGINT, _end)
    if sys.stderr.isatty():
        print(SHOWN, end="\r", file=sys.stderr, flush=True)


def end_loading():
    """Ctrl-C raises KeyboardInterrupt again, if `begin_loading` was called."""
    if signal.getsignal(signal.SIGINT) is not _end:
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.stderr.isatty():
        print(" " * len(SHOWN), end="\r", file=sys.stderr, flush=True)


def _end(*signal_and_frame):
    # not an exception: libraries may catch it while they are imported
    os.write(2, b"Interrupted. Run the same command again.\n")
    os._exit(130)
