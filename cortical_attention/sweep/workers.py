"""Workers of a sweep: processes of this machine, an existing dask cluster, or Slurm jobs, all behind one Executor."""

import os
import signal
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from contextlib import ExitStack, contextmanager

from cortical_attention.circuits.protocol import RunError
from cortical_attention.command.clusters import check_code, connected, local
from cortical_attention.command.options import OptionError
from cortical_attention.readout.files import FolderError
from cortical_attention.sweep.runs import code_of, has_brian2, perform, record_failure

PRELOAD = ["brian2", "cortical_attention.sweep.runs"]  # Brian2 sets a signal handler, which only the main thread may
DEATHS = 3  # of workers, after which a run is given up
POLL = 1.0  # s; between two looks at how many workers there are
DIED = "the worker died (out of memory?)"
SLURM = {"queue": None, "account": None, "walltime": "01:00:00", "memory": "4GB"}
INSTALL = "pip install 'cortical-attention[sweep]'"


@contextmanager
def client_of(n_worker, scheduler=None, slurm=None):
    """Client of a cluster: local processes unless there is an address, or options of Slurm.

    Parameters
    ----------
    n_worker : int
    scheduler : str, optional
        Address.
    slurm : dict, optional
        As `slurm_options` gives it.

    Raises
    ------
    OptionError
        Where nothing answers at the address.
    """
    import dask
    from distributed import Client

    settings = {"distributed.scheduler.allowed-failures": DEATHS - 1}
    with dask.config.set(settings), ExitStack() as stack:
        if scheduler is not None:
            yield stack.enter_context(connected(scheduler))
        elif slurm is None:
            yield stack.enter_context(local(n_worker, PRELOAD))  # a worker without memory is started again
        else:
            cluster = stack.enter_context(slurm_cluster(slurm))
            cluster.scale(n_worker)
            yield stack.enter_context(Client(cluster))


def check_scheduler(address):
    """Refuse a scheduler that does not answer, or whose workers have many threads, other code, or no Brian2 from the start.

    Raises
    ------
    OptionError
    """
    with connected(address) as client:
        threads, ready = client.nthreads(), client.run(has_brian2)
        if not threads:
            raise OptionError(f"--scheduler {address} has no workers but needs one at least")
        if set(threads.values()) != {1} or not all(ready.values()):
            raise OptionError(
                f"--scheduler {address} has workers that cannot do runs; each needs to be started with "
                f"--nthreads 1 {' '.join(f'--preload {name}' for name in PRELOAD)}"
            )
        check_code(client, code_of, "command")


def check_workers(client, folder, experiment):
    """Refuse workers that do not see the folder of the sweep, or run other code than this process.

    Parameters
    ----------
    client : distributed.Client
    folder : pathlib.Path
        Of the sweep; absolute.
    experiment : str
        Imported by every worker.

    Raises
    ------
    OptionError
        If at least one worker does not see the folder, has other code, or cannot import the experiment.
    """
    seen = client.run(os.path.isdir, str(folder))
    if not all(seen.values()):
        raise OptionError(f"--out {folder} is not seen by every worker but needs to be on a disk that they share")
    check_code(client, code_of, experiment)


def slurm_options(given):
    """Options of a Slurm job from texts KEY=VALUE; None where there are none.

    Raises
    ------
    OptionError
    """
    pairs = [text.partition("=") for text in given]
    for key, _, value in pairs:
        if key not in SLURM or not value:
            raise OptionError(f"--slurm is '{key}' but needs to be KEY=VALUE, with a key of {', '.join(SLURM)}")
    return SLURM | {key: value for key, _, value in pairs} if given else None


def slurm_cluster(options):
    """A cluster whose workers are Slurm jobs of one thread each.

    Parameters
    ----------
    options : dict
        queue, account, walltime and memory of a job.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise OptionError(f"--slurm needs the package dask-jobqueue: {INSTALL}") from error
    finally:
        signal.signal(signal.SIGINT, before)  # dask-jobqueue makes an interruption an exit, as soon as it is imported
    extra = [word for name in PRELOAD for word in ("--preload", name)]
    dashboard = {"dashboard_address": ":0"}  # any free port: another cluster may be running on a shared login node
    return SLURMCluster(
        cores=1,
        processes=1,
        job_name="cortical-attention",
        worker_extra_args=extra,
        scheduler_options=dashboard,
        **options,
    )


def distribute(runs, folder, executor, room, told=lambda: None):
    """Do runs, no more at once than there are workers, so that the death of one is blamed on no run that waits.

    Parameters
    ----------
    runs : list of sweep.runs.Task
    folder : pathlib.Path
        Of the sweep.
    executor : concurrent.futures.Executor
    room : callable
        How many workers there are.
    told : callable
        Called after each run.

    Raises
    ------
    FolderError
        Where the folder is full; what was done until then is in it.
    RunError
        Where the scheduler is gone.
    """
    waiting, running = list(reversed(runs)), {}
    while waiting or running:
        while waiting and len(running) < max(1, room()):
            run = waiting.pop()
            running[executor.submit(perform, run, folder)] = run
        for future in wait(running, POLL, FIRST_COMPLETED).done:
            _settle(future, running.pop(future), folder)
            told()


def _settle(future, run, folder):
    """Record the run if no worker could."""
    try:
        future.result()
    except FolderError:
        raise
    except CancelledError as error:
        raise RunError("the scheduler is gone; the same command goes on from there") from error
    except Exception as error:  # of one run; the others go on
        died = type(error).__name__ == "KilledWorker"
        record_failure(run, folder, DIED if died else f"{type(error).__name__}: {error}")
