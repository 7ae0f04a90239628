"""dask clusters: processes of this machine, or one that is there already."""

import logging
import tempfile
from contextlib import contextmanager

from cortical_attention.command.options import OptionError


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


def connected(address, timeout=10):
    """Client of the scheduler at an address, which is given so long to answer (s).

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
