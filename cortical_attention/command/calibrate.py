"""The command `calibrate`: a calibration for all inputs of a block, or one for several blocks."""

from pathlib import Path
from typing import Annotated

import typer

from cortical_attention.command import options as o
from cortical_attention.command.tables import console_for
from cortical_attention.inputs.cases import load
from cortical_attention.readout.files import check_file, exists
from cortical_attention.trials.calibration import calibrate_cases, write_calibration

Cases = Annotated[
    list[Path],
    typer.Argument(
        help="Files of cases with an array calibration (n_sequence, n_token, d_model); several: one for all."
    ),
]
Out = Annotated[Path, typer.Option(help="The file; it must not be there yet.")]


def main(
    cases: Cases,
    out: Out = Path("calibration.json"),
    wiring: o.Wiring = "mask",
    attention: o.Attention = None,
    form: o.Form = "spiking",
    kernel: o.Kernel = "elu+1",
    unnormalised: o.Unnormalised = False,
    normaliser: o.Normaliser = "pi",
    synapses: o.Synapses = o.DEFAULT,
    cells: o.Cells = 1,
    duration: o.Duration = None,
    unit_rate: o.UnitRate = 100.0,
    target: o.Target = "auto",
    overwrite: o.Overwrite = False,
):
    """Set the cells of a circuit on calibration sequences, once, for `compare --calibration`."""
    options = o.check(**locals(), without_reference=True)
    loaded = [load(case) for case in cases]
    if exists(out) and not overwrite:
        raise o.OptionError(f"{out} exists already; choose another with --out, or add --overwrite")
    check_file(out)
    found = calibrate_cases(loaded, options)
    write_calibration(found, out)
    n_sequence = len(found.sequences)
    console_for(False).print(f"calibrated on {n_sequence} sequences; written to {out}", highlight=False, soft_wrap=True)
