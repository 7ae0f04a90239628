"""Where the time of a compiled area goes: the shares of a step, by what the code does.

Brian2 clocks each code object, and a clock costs as much as a small object takes. What all objects take together is more
than the program takes without clocks; the excess is taken off every object alike.

`python -m benchmarks.profile` prints the table.
"""

from typing import Annotated
from unittest.mock import patch

import typer
from brian2 import Network
from rich.console import Console
from rich.table import Table

from benchmarks.peers import FORMS, PEERS, question

KINDS = {  # by the end of a code object's name, the first that fits
    "dendrites": ("dendrite", ""),
    "cells: state": ("", "stateupdater"),
    "cells: release": ("", "subexpression_update"),
    "cells: who fires": ("", "thresholder"),
    "cells: reset": ("", "resetter"),
    "spikes to synapses": ("", "push_spikes"),
    "synapses": ("", "pre"),
    "records": ("", ""),
}


def kind_of(name):
    """What a code object does, by its name."""
    stem = name.split("_codeobject")[0]
    stem = "pre" if "_summed_variable" in stem else stem  # synapses of rates
    return next(kind for kind, (start, end) in KINDS.items() if stem.startswith(start) and stem.endswith(end))


def shares(profile, run_s):
    """Objects and seconds of each kind (dict of str to (int, float)).

    Parameters
    ----------
    profile : list of (str, float)
        Code objects, and the seconds that their clocks have counted.
    run_s : float
        What the program takes without clocks.
    """
    found = dict.fromkeys(KINDS, (0, 0.0))
    excess = max(sum(float(seconds) for _, seconds in profile) - run_s, 0.0) / len(profile)
    for name, seconds in profile:
        objects, total = found[kind_of(name)]
        found[kind_of(name)] = objects + 1, total + max(float(seconds) - excess, 0.0)
    return found


def clocked(asked, form):
    """Outcome of the circuit of a model or a case with every code object clocked, and the seconds of each.

    Returns
    -------
    Outcome
    list of (str, Quantity)
    """
    run, seen = Network.run, []

    def profiled(network, *arguments, **options):
        run(network, *arguments, **{**options, "profile": True})
        seen.extend(network.profiling_info)

    with patch.object(Network, "run", profiled):
        return PEERS["shared"].run(asked, form), seen


def main(
    form: Annotated[str, typer.Option(help=f"One of {', '.join(FORMS)}.")] = "spiking",
    n: Annotated[int, typer.Option(help="Tokens, and components of each, in rate and spiking.")] = 33,
):
    """Print where the time goes."""
    if form not in FORMS:
        raise typer.BadParameter(f"forms are {', '.join(FORMS)}")
    asked, _ = question(form, n, n)
    plain, (timed, profile) = PEERS["shared"].run(asked, form), clocked(asked, form)
    found = shares(profile, plain.run_s)
    whole = sum(seconds for _, seconds in found.values())
    table = Table("what", "code objects", "share", title=f"{form}, n = {len(asked.tokens)}")
    for kind, (objects, seconds) in sorted(found.items(), key=lambda each: -each[1][1]):
        if objects:
            table.add_row(kind, str(objects), f"{100 * seconds / whole:.0f} %")
    console = Console()
    console.print(table)
    walls = (each.run_s / each.biological_s for each in (plain, timed))
    console.print("{:.3g} s a biological second; {:.3g} s with the clocks".format(*walls), highlight=False)


if __name__ == "__main__":
    typer.run(main)
