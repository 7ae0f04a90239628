"""Exit statuses: how a command ends, and the sentence that it ends with."""

import functools
import sys

import typer

from cortical_attention.command.terminal import silence

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def script(function):
    """Run an experiment as a script."""
    silence()
    typer.run(guarded(function))


def guarded(function):
    """The same command, with exit statuses: 1 the simulation failed, 2 bad input, 130 interrupted."""

    @functools.wraps(function)
    def command(**options):
        """The function, with its errors as sentences and exit statuses."""
        status, sentence, _ = finished(function, options)
        raise typer.Exit(status if sentence is None else say(sentence, status))

    return command


def finished(function, options):
    """Call an experiment: its exit status, and the sentence and the error that ended it, or None and None."""
    import numpy as np

    from cortical_attention.readout.files import reservations
    from cortical_attention.readout.provenance import tree

    tree()  # may have changed when the run has ended
    quiet = np.errstate(over="ignore", invalid="ignore")  # what is not finite is looked for where it matters
    try:
        with quiet, reservations():
            return function(**options) or DONE, None, None
    except (Exception, KeyboardInterrupt) as error:
        known = _ending(error)
        if known is None:
            raise
        return *known, error


def _ending(error):
    """Exit status and sentence of an error that a user can do something about; None of any other."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted"
    if isinstance(error, MemoryError):
        said = str(error) or "a smaller case may fit"
        return FAILED, f"there is not enough memory: {said[0].lower()}{said[1:]}"
    if isinstance(error, ImportError):
        return BAD_INPUT, str(error)
    return _ending_of_ours(error) if isinstance(error, ValueError | RuntimeError) else None


def _ending_of_ours(error):
    from cortical_attention.cells.membranes.membrane import MembraneError
    from cortical_attention.circuits.protocol import RunError
    from cortical_attention.command.options import OptionError
    from cortical_attention.inputs.cases import CaseError
    from cortical_attention.readout.files import FolderError
    from cortical_attention.simulation.settings import SettingError
    from cortical_attention.simulation.traces import RecordError
    from cortical_attention.trials.protocol import ProtocolError
    from cortical_attention.wiring.expressions import WiringError

    ours = (
        CaseError | OptionError | FolderError | MembraneError | ProtocolError | RecordError | SettingError | WiringError
    )
    if isinstance(error, ours):
        return BAD_INPUT, str(error)
    return (FAILED, str(error)) if isinstance(error, RunError) else None


def say(sentence, status):
    print(f"cortical-attention: {sentence}", file=sys.stderr)
    return status


def status_of(swept, settled):
    """Exit status of a batch of runs (`trials.batch.Swept`); `settled` as for `status_by`."""
    return status_by(settled, swept.interrupted, swept.failed)


def status_by(settled, interrupted=False, failed=()):
    """Exit status of runs.

    Parameters
    ----------
    settled : iterable of bool
        The judgement (`settled` in comparison.json) of each run that was to settle.
    interrupted : bool
    failed : collection
        Runs that came to no judgement.

    Returns
    -------
    int
    """
    if interrupted:
        return INTERRUPTED
    return DONE if all(settled) and not failed else FAILED
