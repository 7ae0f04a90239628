"""Who runs the heads of a circuit: this process, local processes, or a cluster; the last two through dask.distributed."""

from concurrent.futures import CancelledError
from contextlib import contextmanager

from cortical_attention.circuits.protocol import RunError
from cortical_attention.command.clusters import check_code, connected, local
from cortical_attention.command.options import OptionError, within
from cortical_attention.command.terminal import ignore_interruption
from cortical_attention.readout.provenance import tree

MAX_WORKERS = 1024  # chosen: far beyond what one machine takes
WAIT = 60  # s; chosen: for the workers of a cluster to be there
LARGEST = "1GB"  # of what is sent to a worker before dask warns; chosen: what leaves the nuclei is some 10 MB


@contextmanager
def executor_of(workers=0, scheduler=None):
    """Executor for `simulation.attend.attend`; None without workers and without a scheduler.

    Parameters
    ----------
    workers : int
        Local processes; of a cluster, how many of its workers are waited for (at least one).
    scheduler : str, optional
        Address of the scheduler of a cluster.

    Raises
    ------
    OptionError
        If the scheduler or its workers do not answer, or a worker has more than one thread.
    ImportError
        If dask.distributed is not installed.
    RunError
        If workers are lost, or their scheduler.
    """
    within("--workers", workers, 0, MAX_WORKERS)
    if not workers and scheduler is None:
        yield None
        return
    distributed, dask = _dask()
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": LARGEST}):
        opened = local(workers) if scheduler is None else _cluster(workers, scheduler)
        with opened as client:
            client.register_plugin(_starting(distributed, local=scheduler is None))
            try:
                yield client.get_executor(pure=False)
            except distributed.scheduler.KilledWorker as error:
                raise RunError("a worker was lost in the middle of a run; it may have had too little memory") from error
            except CancelledError as error:
                raise RunError("the scheduler was lost in the middle of a run") from error


def _dask():
    """dask.distributed and dask.

    Raises
    ------
    ImportError
    """
    try:
        import dask
        import distributed
    except ImportError as error:
        raise ImportError(
            "workers need distributed, which is optional: install it with pip install 'cortical-attention[sweep]'"
        ) from error
    return distributed, dask


@contextmanager
def _cluster(workers, scheduler):
    """Client of a cluster whose workers are there."""
    with connected(scheduler, WAIT) as client:
        try:
            client.wait_for_workers(max(1, workers), timeout=WAIT)
        except TimeoutError as error:
            there = len(client.nthreads())
            raise OptionError(f"--scheduler has {there} workers but needs to have {max(1, workers)}") from error
        threads = max(client.nthreads().values())
        if threads > 1:
            raise OptionError(f"--scheduler has workers of {threads} threads but needs workers of one (--nthreads 1)")
        check_code(client, _code)
        yield client


def _code():
    return tree()["code"]


def _starting(distributed, local):
    """Plugin that imports Brian2 in the main thread of every worker, since it takes hold of signals there. Workers of ours
    leave an interruption to this process, with which they share the terminal."""

    class Starting(distributed.WorkerPlugin):
        """Runs where a worker starts, before its tasks and not in their thread."""

        def setup(self, worker):
            """Import."""
            import cortical_attention.simulation.spread  # noqa: F401

            if local:
                ignore_interruption()

    return Starting()
