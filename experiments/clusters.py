"""dask clusters: processes of this machine, or one that is there already."""

import logging
import tempfile
from contextlib import contextmanager

from experiments.options import OptionError

TIMEOUT = 10  # s; chosen: for a scheduler to answer


@contextmanager
def local(n_worker, **options):
    """Client of so many processes of this machine, of one thread each, that end with it.

    Parameters
    ----------
    n_worker : int
    **options
        Of `distributed.LocalCluster`, besides.
    """
    from distributed import Client, LocalCluster

    with (
        tempfile.TemporaryDirectory(prefix="cortical-attention-", ignore_cleanup_errors=True) as folder,
        LocalCluster(
            n_workers=n_worker, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=folder,
            silence_logs=logging.CRITICAL + 10, **options,
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        yield client


def connected(address):
    """Client of the scheduler at an address.

    Raises
    ------
    OptionError
        If none answers.
    """
    from distributed import Client

    try:
        return Client(address, timeout=TIMEOUT)
    except (OSError, ValueError, TypeError) as error:
        raise OptionError(f"--scheduler is '{address}' but no dask scheduler answers there") from error
