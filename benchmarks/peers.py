"""Who is measured, and the row of one of them: `python -m benchmarks.peers NAME` prints it as JSON, its last line.

A peer has a process of its own, so that no memory, cache or thread of another is counted.
"""

import importlib
import json
import resource
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from benchmarks import case as real
from benchmarks import model as of
from cortical_attention.readout.agreement import relative_l2

MODEL_FORMS = ("rate", "spiking")
FORMS = (*MODEL_FORMS, *real.FORMS)
ROW = (
    "name", "form", "n", "wall_per_biological_s", "compile_s", "peak_mb", "relative_l2", "spikes_per_s",
    "ns_per_cell_step",
)  # fmt: skip


class Peer(NamedTuple):
    """How a peer is run.

    Attributes
    ----------
    call : str or None
        ``"module:function"``, which takes a model and a form and answers with an Outcome; None where nobody wrote it.
    needs : str or None
        The package without which it is skipped.
    forms : tuple of str
    size : tuple of int or None
        The n and d at which it is run, whatever is asked for.
    of_case : str or None
        The like of `call` in the forms of `benchmarks.case`; it takes the case and a form.
    """

    call: str | None
    needs: str | None = None
    forms: tuple = MODEL_FORMS
    size: tuple | None = None
    of_case: str | None = None

    def missing(self, form):
        """Why it cannot be run in a form, or None."""
        if form not in self.forms:
            return f"it has no {form} form"
        if self.needs and find_spec(self.needs) is None:
            return f"{self.needs} is not installed"
        return None if self.called(form) else f"no model is written for {self.needs}"

    def called(self, form):
        """What is called in a form (str), or None."""
        return self.of_case if form in real.FORMS else self.call

    def run(self, asked, form):
        """Outcome for a model, or a case in a form of cases."""
        module, _, function = self.called(form).partition(":")
        return getattr(importlib.import_module(module), function)(asked, form)

    def sizes(self, form, n):
        """The n and d at which it is run where n is asked for."""
        return real.draw().tokens.shape if form in real.FORMS else self.size or (n, n)


SPIKING = ("spiking",)
PEERS = {
    "shared": Peer("benchmarks.ours:shared", forms=FORMS, of_case="benchmarks.ours:circuit"),
    "single": Peer("benchmarks.ours:single", forms=FORMS, of_case="benchmarks.ours:single"),
    "explicit": Peer("benchmarks.ours:explicit"),
    "on_off": Peer("benchmarks.ours:on_off", forms=SPIKING),
    "plain_brian2": Peer("benchmarks.plain_brian2:run"),
    "brainpy": Peer("benchmarks.brainpy_peer:run", "brainpy", FORMS, of_case="benchmarks.brainpy_cells:run"),
    "brainpy_64": Peer("benchmarks.brainpy_peer:run_64", "brainpy", FORMS, of_case="benchmarks.brainpy_cells:run_64"),
    "nest": Peer("benchmarks.nest_peer:run", "nest", (*SPIKING, *real.FORMS), of_case="benchmarks.nest_cells:run"),
    "genn": Peer(None, "pygenn", SPIKING),  # not on the package index
    "nengo": Peer("benchmarks.nengo_peer:run", "nengo", SPIKING, (4, 8)),
    "c_limit": Peer("benchmarks.c_limit:run", forms=FORMS, of_case="benchmarks.c_cells:run"),
    "c_mixed": Peer(None, forms=("biophysical",), of_case="benchmarks.c_cells:run_mixed"),
}


def row(name, form, n, d):
    """Row of a peer, measured in this process.

    Parameters
    ----------
    name : str
        Of `PEERS`.
    form : {"rate", "spiking", "adaptive", "biophysical"}
    n, d : int
        Of the model; a case has its own.

    Returns
    -------
    dict
        With the keys of `ROW`.
    int
        Cells.
    """
    asked, algebra = question(form, n, d)
    outcome = PEERS[name].run(asked, form)
    spikes = None if outcome.spikes is None else outcome.spikes / outcome.biological_s
    error = None if outcome.output is None else relative_l2(outcome.output, algebra)
    wall = outcome.run_s / outcome.biological_s
    found = (
        name, form, len(asked.tokens), wall, outcome.compile_s, peak_mb(outcome.program), error, spikes,
        1e9 * wall * outcome.dt / outcome.cells,
    )  # fmt: skip
    return dict(zip(ROW, found, strict=True)), outcome.cells


def question(form, n, d):
    """What the peers of a form run, and the answer (n, d) of the algebra: the case, or the model of a size."""
    if form in real.FORMS:
        case = real.draw()
        return case, real.algebra(case)
    model = of.draw(n, d)
    return model, of.algebra(model)


def peak_mb(program=0):
    """Most memory (MB) that this process, or a program that it started, has held; compilers are not counted."""
    unit = 1e6 if sys.platform == "darwin" else 1e3  # what the system counts in: bytes, or kB
    return max(_own_peak(), program) / unit


def _own_peak():
    """Most memory of this process; what `getrusage` says on Linux starts from the memory of who started it."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(
    name: Annotated[str, typer.Argument(help="Name of the peer.")],
    form: Annotated[str, typer.Option(help=f"One of {', '.join(FORMS)}.")] = "spiking",
    n: Annotated[int, typer.Option(help="Tokens, in rate and spiking.")] = 33,
    d: Annotated[int, typer.Option(help="Components of a token, query, key and value, likewise.")] = 33,
):
    """Run one peer and print its row."""
    found, cells = row(name, form, n, d)
    print(json.dumps({"row": found, "cells": cells}))


if __name__ == "__main__":
    typer.run(main)
