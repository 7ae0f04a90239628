"""The terminal that a command shares with libraries and with its workers: nothing but sentences of ours reaches it, and
Ctrl-C is for the command alone.

`silence` is called once, at the door of the command line, and never where a module is imported: who calls functions of
this project from Python keeps the logging that they have set. Local workers load this module before any other.
"""

import _thread
import logging
import os
import signal
import sys
import threading
from contextlib import contextmanager

INTERRUPTION = {signal.SIGINT}
AGAIN = 0.05  # s; chosen: longer than a finalizer takes, and too short to be noticed


def silence():
    """Keep the messages of libraries from the terminal, in this process and from now on.

    These are logs of every level (also those that have no handler, such as asyncio's), warnings, and errors in threads and
    in finalizers, which no caller sees; not an error that ends the command. Python's development mode (PYTHONDEVMODE=1)
    shows all of them, -W and PYTHONWARNINGS the warnings that they name.
    """
    if sys.flags.dev_mode:
        return
    logging.disable()  # every logger, whatever its handlers are, also of a library that is imported later
    sys.unraisablehook = threading.excepthook = _keep_back
    if not sys.warnoptions:
        logging.captureWarnings(True)
        os.environ["PYTHONWARNINGS"] = "ignore"  # for the processes that this one starts


def _keep_back(error):
    """Exception hook that prints nothing. Python drops an interruption that comes while a finalizer runs, and Brian2 has
    many of these, so it is sent again when that one has ended."""
    if issubclass(error.exc_type, KeyboardInterrupt):
        threading.Timer(AGAIN, _thread.interrupt_main).start()


def dask_setup(worker):
    """Called in a local worker before its first task: it writes to the terminal of the command no more.

    Also what compiled code and compilers write is kept back.
    """
    if worker is None or sys.flags.dev_mode:
        return
    silence()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        stream.flush()
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


@contextmanager
def interruption_withheld():
    """Threads that start meanwhile, and the processes that they start, do not get Ctrl-C until they `ignore_interruption`.

    A Python that is interrupted while it still imports ends with a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTION)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_interruption():
    """Leave Ctrl-C to the process that started this one; what is started from here gets it, as compiled programs need."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTION)
