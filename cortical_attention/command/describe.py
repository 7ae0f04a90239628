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
from cortical_attention.readout.formats import with_prefix
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
    for table in (
        _populations(described),
        _projections(described),
        *map(_cell, described["cells"]),
        _synapses(described),
        _constants(described),
    ):
        console.print(table)
    for sentence in (_counted(described["counts"]), *map(_broken, described["breaks"])):
        console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def _populations(described):
    """Table of the populations."""
    title = f"{described['wiring']} wiring, {described['form']} form"
    table = _table("population", "cell type", "axes", "cells", "ports", title=title, show_lines=True)
    for each in described["populations"]:
        place = ", ".join(word for word in (each["layer"], each["transmitter"], each["area"]) if word)
        ports = "\n".join(map(_port, each["ports"]))
        _add(table, each["name"], f"{each['cell']}\n{place}", _axes(each), str(each["n_cell"]), ports)
    return table


def _axes(population):
    """Axes of a population as text: its own, then the hidden ones of more than one element."""
    own, hidden = ([axis for axis in population["axes"] if axis["hidden"] is which] for which in (False, True))
    shown = [*own, *(axis for axis in hidden if axis["size"] > 1)]
    return " x ".join(f"{axis['size']} {axis['kind']}" for axis in shown)


def _port(given):
    """A port as text: its kernel, its layer, and what is special about it."""
    notes = {
        given["kernel"]: True,
        f"by {given['kernel_by']}": given["kernel"] != "identity" and given["kernel_by"] != "expression",
        given["layer"]: given["layer"],
        "inhibits": given["inhibits"],
        "external input": given["has_external_input"],
    }
    return f"{given['name']}: {', '.join(note for note, holds in notes.items() if holds)}"


def _projections(described):
    """Table of the projections."""
    table = _table("projection", "index expression", "pairs", "weights", "sign", title="projections")
    for each in described["projections"]:
        name = f"{each['source']} -> {each['target']}.{each['port']}"
        numbers = str(each["n_synapse"]), str(each["n_weight"])
        _add(table, name, each["expression"], *numbers, each["sign"] + _release(each))
    return table


def _release(projection):
    """Delay and plasticity of a projection as text, each in a line; empty without."""
    delay, plasticity = projection["delay"], projection["plasticity"]
    lines = [] if delay is None else [f"delay {_quantity(delay)}"]
    lines += [] if plasticity is None else [f"{name} = {_quantity(value)}" for name, value in plasticity.items()]
    return "".join(f"\n{line}" for line in lines)


def _cell(given):
    """Table of the equations of a cell type."""
    title = f"{given['name']} cells ({', '.join(given['populations'])})"
    table = _table("", "", show_header=False, title=title, show_lines=True)
    ignored = "" if given["follows_rule"] else "   # for comparison: this membrane does not compute it"
    refractory = "" if given["refractory"] is None else _quantity(given["refractory"])
    lines = {
        "rule": f"value = {given['rule']}{ignored}",
        "state": given["state"],
        "membrane": given["membrane"],
        "threshold": given["threshold"],
        "release": given["release"],
        "reset": given["reset"],
        "refractory": refractory,
        "sends": "" if given["sends"] in ("1", "rate") else given["sends"],
        "dendrite": given["dendrite"],
        "time constant": "\n".join(f"{name}: {_quantity(each['tau'])}" for name, each in given["dendrites"].items()),
        "variables": "\n".join(_recorded(place, units) for place, units in given["variables"].items() if units),
    }
    for name, text in lines.items():
        if text:
            _add(table, name, text)
    return table


def _recorded(place, units):
    """Variables of somata, which `--record` takes, or of dendrites, as text."""
    named = ", ".join(name if unit == "1" else f"{name} ({unit})" for name, unit in units.items())
    return f"{place}{' (--record)' if place == 'soma' else ''}: {named}"


def _synapses(described):
    """Table of the synapses and the kernels."""
    table = _table("", "", show_header=False, title="synapses and kernels", show_lines=True)
    for name, text in described["synapses"].items():
        if text:
            _add(table, name.replace("_", " "), text)
    for name, expression in described["kernels"].items():
        _add(table, f"kernel {name}", expression)
    return table


def _constants(described):
    """Table of the constants."""
    title = "constants (in brackets the unit of those that are found before a run)"
    table = _table("constant", "value", "of", "source", title=title)
    for each in described["constants"]:
        value = f"({each['unit']})" if each["value"] is None else _quantity(each)
        _add(table, each["name"], value, ", ".join(each["of"]), each["source"] or "none is given")
    return table


def _quantity(given):
    """A value of a description as text: a number, or a value with its unit."""
    value, unit = (given["value"], given["unit"]) if isinstance(given, dict) else (given, "1")
    return with_prefix(value, unit) if isinstance(value, int | float) else str(value)


def _table(*heads, **options):
    """A table whose words are folded, never cut, where the terminal is narrow."""
    return Table(*(Column(head, overflow="fold") for head in heads), **options)


def _add(table, *texts):
    """Add a row of plain text to a table."""
    table.add_row(*map(Text, texts))


def _counted(counts):
    """The totals, as one sentence."""
    relays = f" and {counts['n_relay']} inhibitory relays" if counts["n_relay"] else ""
    return (
        f"{counts['n_cell']} cells with {counts['n_dendrite']} dendrites{relays}; {counts['n_synapse']} synapses "
        f"({counts['n_synapse_explicit']} with one for each pair of cells) of {counts['n_weight']} weights"
    )


def _broken(given):
    """A rule of the anatomy that the circuit breaks, as one sentence."""
    return f"breaks the rule '{given['rule']}' ({given['says']}): {given['reason']}"
