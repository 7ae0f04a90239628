"""Objects of the user's own, named `module:object` on the command line."""

import sys
from contextlib import contextmanager
from functools import reduce
from hashlib import sha256
from importlib import import_module
from pathlib import Path

from cortical_attention.wiring.expressions import WiringError


def loaded(option, given):
    """The object that `module:object` names; the module may lie in the working directory.

    Parameters
    ----------
    option : str
        What is asked for, as messages call it: "--wiring".
    given : str

    Returns
    -------
    object

    Raises
    ------
    WiringError
        If there is no such module, it cannot be imported, or it has no such attribute; one sentence.
    """
    module, _, place = given.partition(":")
    if not all(each.isidentifier() for each in (*module.split("."), *place.split("."))):
        raise WiringError(f"{option} is '{given}' but needs to be module:object")
    found = _imported(option, given, module)
    try:
        return reduce(getattr, place.split("."), found)
    except AttributeError as error:
        raise WiringError(f"{option} is '{given}' but module '{module}' has no '{place}'") from error


def own_code(words):
    """Hashes of the modules that `module:object` names, so that a later change of them is seen.

    Parameters
    ----------
    words : iterable of str or None
        Those without a colon, and modules without a file, are passed over.

    Returns
    -------
    dict of str to str
        Sixteen hexadecimal digits of the SHA-256 of the file, by module.
    """
    named = {each.partition(":")[0] for each in words if each and ":" in each}
    files = {name: getattr(sys.modules.get(name), "__file__", None) for name in sorted(named)}
    return {name: sha256(Path(file).read_bytes()).hexdigest()[:16] for name, file in files.items() if file}


def one_line(error):
    """An error as one line: its type, and what it says."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")


def _imported(option, given, module):
    """A module, or the sentence of why there is none."""
    try:
        with _working_directory_first():
            return import_module(module)
    except (Exception, SystemExit) as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}.")
        why = f"there is no module '{error.name}'" if absent else f"its module cannot be imported: {one_line(error)}"
        raise WiringError(f"{option} is '{given}' but {why}") from error


@contextmanager
def _working_directory_first():
    """Look for modules in the working directory first; afterwards last, so that it hides none of ours."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
        if here not in sys.path and "" not in sys.path:
            sys.path.append(here)
