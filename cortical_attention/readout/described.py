"""What a circuit is made of, as tables of plain text, for a terminal or a page."""

from typing import NamedTuple

from cortical_attention.readout.formats import with_prefix


class Rows(NamedTuple):
    """A table: its title, heads (empty ones where each row is a name and a text) and rows of text.

    Attributes
    ----------
    title : str
    heads : tuple of str
    rows : list of tuple of str
    parted : bool
        Whether texts have several lines, so that a line parts the rows.
    """

    title: str
    heads: tuple
    rows: list
    parted: bool = False


def tables_of(described):
    """All tables of a circuit (list of Rows).

    Parameters
    ----------
    described : dict
        Of `trials.description.description`.
    """
    return [
        populations(described),
        projections(described),
        *map(cell, described["cells"]),
        synapses(described),
        constants(described),
    ]


def sentences_of(described):
    """The totals, the rules of the anatomy that the circuit breaks on purpose, and notices (list of str)."""
    notices = (f"notice: {each}" for each in described["notices"])
    return [counted(described["counts"]), *map(broken, described["breaks"]), *notices]


def populations(described):
    """Table of the populations."""
    title = f"{described['wiring']} wiring, {described['form']} form"
    return Rows(
        title,
        ("population", "cell type", "axes", "cells", "ports"),
        list(map(_population, described["populations"])),
        True,
    )


def _population(given):
    place = ", ".join(word for word in (given["layer"], given["transmitter"], given["area"]) if word)
    ports = "\n".join(map(_port, given["ports"]))
    return given["name"], f"{given['cell']}\n{place}", _axes(given), str(given["n_cell"]), ports


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


def projections(described):
    """Table of the projections."""
    rows = [
        (
            f"{each['source']} -> {each['target']}.{each['port']}", each["expression"], str(each["n_synapse"]),
            str(each["n_weight"]), each["sign"] + _release(each),
        )
        for each in described["projections"]
    ]  # fmt: skip
    return Rows("projections", ("projection", "index expression", "pairs", "weights", "sign"), rows)


def _release(projection):
    """Delay and plasticity of a projection as text, each in a line; empty without."""
    delay, plasticity = projection["delay"], projection["plasticity"]
    lines = [] if delay is None else [f"delay {quantity(delay)}"]
    lines += [] if plasticity is None else [f"{name} = {quantity(value)}" for name, value in plasticity.items()]
    return "".join(f"\n{line}" for line in lines)


def cell(given):
    """Table of the equations of a cell type."""
    title = f"{given['name']} cells ({', '.join(given['populations'])})"
    ignored = "" if given["follows_rule"] else "   # for comparison: this membrane does not compute it"
    refractory = "" if given["refractory"] is None else quantity(given["refractory"])
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
        "time constant": "\n".join(f"{name}: {quantity(each['tau'])}" for name, each in given["dendrites"].items()),
        "variables": "\n".join(_recorded(place, units) for place, units in given["variables"].items() if units),
    }
    return Rows(title, ("", ""), [(name, text) for name, text in lines.items() if text], True)


def _recorded(place, units):
    """Variables of somata, which `--record` takes, or of dendrites, as text."""
    named = ", ".join(name if unit == "1" else f"{name} ({unit})" for name, unit in units.items())
    return f"{place}{' (--record)' if place == 'soma' else ''}: {named}"


def synapses(described):
    """Table of the synapses and the kernels."""
    rows = [(name.replace("_", " "), text) for name, text in described["synapses"].items() if text]
    rows += [(f"kernel {name}", expression) for name, expression in described["kernels"].items()]
    return Rows("synapses and kernels", ("", ""), rows, True)


def constants(described):
    """Table of the constants."""
    rows = [
        (
            each["name"], f"({each['unit']})" if each["value"] is None else quantity(each), ", ".join(each["of"]),
            each["source"] or "none is given",
        )
        for each in described["constants"]
    ]  # fmt: skip
    title = "constants (in brackets the unit of those that are found before a run)"
    return Rows(title, ("constant", "value", "of", "source"), rows)


def quantity(given):
    """A value of a description as text: a number, or a value with its unit."""
    value, unit = (given["value"], given["unit"]) if isinstance(given, dict) else (given, "1")
    return with_prefix(value, unit) if isinstance(value, int | float) else str(value)


def counted(counts):
    """The totals, as one sentence."""
    relays = f" and {counts['n_relay']} inhibitory relays" if counts["n_relay"] else ""
    return (
        f"{counts['n_cell']} cells with {counts['n_dendrite']} dendrites{relays}; {counts['n_synapse']} synapses "
        f"({counts['n_synapse_explicit']} with one for each pair of cells) of {counts['n_weight']} weights"
    )


def broken(given):
    """A rule of the anatomy that the circuit breaks, as one sentence."""
    return f"breaks the rule '{given['rule']}' ({given['says']}): {given['reason']}"
