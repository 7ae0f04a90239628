"""dask clusters: processes of this machine, or one that is there already."""

import logging
import tempfile
from contextlib import contextmanager
from multiprocessing import resource_tracker

from cortical_attention.circuits.protocol import RunError
from cortical_attention.command import terminal
from cortical_attention.command.options import OptionError
from cortical_attention.readout.provenance import tree

# of the pages about a cluster, which it serves even without a dashboard: another cluster may have the usual port
ANY_PORT = "127.0.0.1:0"
# dask has glibc return freed memory at once, so that arrays of every step are mapped anew: numpy code runs five times slower
TRIMMING = "MALLOC_TRIM_THRESHOLD_"
ENVIRONMENT = "distributed.nanny.pre-spawn-environ"


@contextmanager
def local(n_worker, preload=()):
    """Client of so many processes of this machine, of one thread each, that end with it.

    They write nothing to the terminal, and Ctrl-C is for this process alone.

    Parameters
    ----------
    n_worker : int
    preload : sequence of str
        Modules that each worker imports before its first task.

    Raises
    ------
    RunError
        If the workers do not start.
    """
    from distributed import Client

    with (
        tempfile.TemporaryDirectory(prefix="cortical-attention-", ignore_cleanup_errors=True) as folder,
        _loop() as loop,
        _started(
            n_workers=n_worker, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=folder,
            scheduler_kwargs={"dashboard_address": ANY_PORT},
            silence_logs=logging.CRITICAL + 10, preload=[terminal.__name__, *preload], loop=loop,
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        yield client


def _started(**options):
    import dask
    from distributed import LocalCluster

    kept = {name: value for name, value in dask.config.get(ENVIRONMENT).items() if name != TRIMMING}
    try:
        with dask.config.set({ENVIRONMENT: kept}):
            return LocalCluster(**options)
    except RuntimeError as error:
        raise RunError("the workers did not start; there may be too little memory") from error


@contextmanager
def _loop():
    """Event loop of a cluster, from whose thread the workers start: Ctrl-C is withheld from them."""
    from distributed.utils import LoopRunner

    runner = LoopRunner()
    resource_tracker.ensure_running()  # or else it is started by that thread, which gets Ctrl-C from then on
    with terminal.interruption_withheld():
        runner.start()
    try:
        yield runner.loop
    finally:
        runner.stop()


def connected(address, timeout=10):
    """Client of the scheduler at an address, with a timeout (s).

    Raises
    ------
    OptionError
        If none answers.
    """
    from distributed import Client

    try:
        return Client(address, timeout=timeout)
    except (OSError, ValueError, TypeError) as error:
        raise OptionError(f"--scheduler is '{address}' but no dask scheduler answers there") from error


def check_code(client, code_of, *given):
    """Refuse workers of other code than this process (OptionError); `code_of(*given)` is asked of each."""
    found = client.run(code_of, *given, on_error="return")
    if any(code != tree()["code"] for code in found.values()):
        raise OptionError("the workers run other code than this command; start workers that have the same")
