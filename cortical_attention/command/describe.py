"""The command `describe`: what a circuit is made of, without running it."""

import json
from pathlib import Path
from subprocess import CalledProcessError
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from cortical_attention.command import options as o
from cortical_attention.command.tables import console_for
from cortical_attention.inputs.cases import load
from cortical_attention.readout import diagram
from cortical_attention.readout.described import sentences_of, tables_of
from cortical_attention.trials.description import description

Case = Annotated[Path, typer.Argument(help="An .npz or .safetensors file, as for compare.")]
Drawing = Annotated[
    Path | None,
    typer.Option(
        help="Draw the circuit into this file (.svg or .png); needs the extra drawing and Graphviz.",
        show_default="no drawing",
    ),
]


def main(
    case: Case,
    wiring: o.Wiring = "mask",
    form: o.Form = "rate",
    kernel: o.Kernel = "elu+1",
    unnormalised: o.Unnormalised = False,
    normaliser: o.Normaliser = "pi",
    synapses: o.Synapses = o.DEFAULT,
    cells: o.Cells = 1,
    dendrites: o.Dendrites = "shared",
    json: o.Json = False,
    drawing: Drawing = None,
):
    """What a circuit is made of: populations, projections, equations, and constants with their sources."""
    options = o.check(
        wiring=wiring, form=form, kernel=kernel, unnormalised=unnormalised, normaliser=normaliser, synapses=synapses,
        cells=cells, dendrites=dendrites, without_reference=True,
    )  # fmt: skip
    _check_drawing(drawing)
    console, loaded = console_for(json), load(case)
    for notice in loaded.notices:
        console.print(f"notice: {notice}", highlight=False)
    described = description(loaded, options)
    if drawing is not None:
        _draw(described, drawing)
    _show(described, console, json)
    if drawing is not None:
        console.print(f"drawn in {drawing}", highlight=False, soft_wrap=True)


def _check_drawing(path):
    """Refuse a drawing in another format, or without what draws it (OptionError)."""
    if path is None:
        return
    if path.suffix.lower() not in diagram.FORMATS:
        raise o.OptionError(f"--drawing is '{path}' but needs to end in {' or '.join(diagram.FORMATS)}")
    missing = diagram.missing()
    if missing:
        raise o.OptionError(f"--drawing cannot draw: {missing}")


def _draw(described, path):
    """Draw a circuit, or say in a sentence what the program dot complains of (OptionError)."""
    try:
        diagram.draw(described, path)
    except CalledProcessError as error:
        raise o.OptionError(f"--drawing cannot draw: the program dot ends with status {error.returncode}") from error


def _show(described, console, as_json):
    """Print a description: as JSON if requested, otherwise as tables."""
    if as_json:
        print(json.dumps(described))
        return
    for each in tables_of(described):
        console.print(_table(each))
    for sentence in sentences_of(described):
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def _table(rows):
    """A table of plain text whose words are folded, never cut, where the terminal is narrow."""
    columns = [Column(head, overflow="fold") for head in rows.heads]
    table = Table(*columns, title=rows.title, show_header=any(rows.heads), show_lines=rows.parted)
    for row in rows.rows:
        table.add_row(*map(Text, row))
    return table
