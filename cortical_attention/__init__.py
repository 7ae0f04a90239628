"""Does a cortico-thalamic circuit compute multihead self-attention? Circuits in Brian2, held against the algebra.

The names in `__all__` are the public face; each is imported when it is first used, so that importing the package takes no
time. The folders `cells`, `wiring`, `circuits` and `experiments` stand at the top of the repository and are installed inside
this package; in a clone they are found there without being installed (decision 0014).
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

_CLONE = Path(__file__).parents[1]
if (_CLONE / "wiring" / "circuit.py").is_file() and (_CLONE / "setup.cfg").is_file():
    __path__.append(str(_CLONE))

if TYPE_CHECKING:
    __version__: str
    from cortical_attention.cells.cell import CellType as CellType
    from cortical_attention.cells.forms import FORMS as FORMS
    from cortical_attention.cells.forms.form import Form as Form
    from cortical_attention.cells.membranes.membrane import Membrane as Membrane
    from cortical_attention.circuits.plan import Plan as Plan
    from cortical_attention.circuits.plan import Reading as Reading
    from cortical_attention.circuits.stack import join as join
    from cortical_attention.circuits.stack import stack as stack
    from cortical_attention.inputs.cases import Case as Case
    from cortical_attention.inputs.cases import from_arrays as from_arrays
    from cortical_attention.inputs.cases import load as load_case  # noqa: F401
    from cortical_attention.inputs.cases import save as save_case  # noqa: F401
    from cortical_attention.inputs.suite import random_case as random_case
    from cortical_attention.inputs.torch_layers import from_torch as from_torch
    from cortical_attention.inputs.transformers_layers import from_transformers as from_transformers
    from cortical_attention.readout.agreement import relative_l2 as relative_l2
    from cortical_attention.trials.result import Result as Result
    from cortical_attention.trials.result import attend as attend
    from cortical_attention.trials.result import calibrate as calibrate
    from cortical_attention.trials.result import load as load
    from cortical_attention.trials.systems import SYSTEMS as SYSTEMS
    from cortical_attention.trials.systems import System as System
    from cortical_attention.wiring.circuit import Circuit as Circuit
    from cortical_attention.wiring.circuit import Population as Population
    from cortical_attention.wiring.circuit import Projection as Projection

_PLACES = {
    "attend": "trials.result",
    "calibrate": "trials.result",
    "load": "trials.result",
    "Result": "trials.result",
    "load_case": "inputs.cases:load",
    "Case": "inputs.cases",
    "from_arrays": "inputs.cases",
    "save_case": "inputs.cases:save",
    "random_case": "inputs.suite",
    "from_torch": "inputs.torch_layers",
    "from_transformers": "inputs.transformers_layers",
    "SYSTEMS": "trials.systems",
    "System": "trials.systems",
    "FORMS": "cells.forms",
    "Form": "cells.forms.form",
    "Membrane": "cells.membranes.membrane",
    "CellType": "cells.cell",
    "Circuit": "wiring.circuit",
    "Population": "wiring.circuit",
    "Projection": "wiring.circuit",
    "Plan": "circuits.plan",
    "Reading": "circuits.plan",
    "join": "circuits.stack",
    "stack": "circuits.stack",
    "relative_l2": "readout.agreement",
}
"""Where the public names lie in the package: module, or module:name."""

__all__ = [*_PLACES]  # noqa: PLE0604


def _version() -> str:
    """Version of the installed distribution; of a clone that is not installed, the release that it is a step towards."""
    from importlib import metadata

    try:
        return metadata.version("cortical-attention")
    except metadata.PackageNotFoundError:
        import tomllib

        project = _CLONE / "pyproject.toml"
        tool = tomllib.loads(project.read_text(encoding="utf-8"))["tool"] if project.is_file() else {}
        return tool.get("setuptools_scm", {}).get("fallback_version", "0+unknown")


def __getattr__(name: str) -> object:
    """A public name, imported when it is first used."""
    if name == "__version__":
        globals()[name] = _version()
        return globals()[name]
    if name not in _PLACES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    module, _, own = _PLACES[name].partition(":")
    found = getattr(import_module(f"{__name__}.{module}"), own or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES, "__version__"])
