"""Commands on result folders: `show` draws again, `diff` compares two, `export` converts, `repeat` runs again."""

import json as json_module
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from brian2 import second
from rich.table import Table

from cortical_attention.command import options as o
from cortical_attention.command.progress import progress
from cortical_attention.command.status import FAILED, status_by
from cortical_attention.command.tables import console_for, judgement
from cortical_attention.export.nix import write_nix
from cortical_attention.export.nwb import write_nwb
from cortical_attention.export.ro_crate import write_ro_crate
from cortical_attention.export.sonata import write_sonata
from cortical_attention.inputs.cases import arrays
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.files import check_folder, exists, made, result_folder
from cortical_attention.readout.formats import per_cent
from cortical_attention.readout.style import save
from cortical_attention.readout.units import shown_in
from cortical_attention.trials.result import ARRAYS, load

FORMATS = {"nix": "recording.nix", "nwb": "recording.nwb", "sonata": "sonata", "ro-crate": "ro-crate"}
"""Formats of `export`, with the default name in the result folder."""
CELLS = 60
Folder = Annotated[Path, typer.Argument(help="Result folder of `compare`, or of `Result.save`.")]


def show(
    folder: Folder,
    head: Annotated[int | None, typer.Option(help="Only cells of this head.", show_default="of every head")] = None,
    token: Annotated[int | None, typer.Option(help="Only cells of this token.", show_default="of every token")] = None,
    context: Annotated[
        int | None, typer.Option(help="Only cells of this context token.", show_default="of every one")
    ] = None,
    start: Annotated[float | None, typer.Option("--from", help="Drawn from here on (s).", show_default="0")] = None,
    stop: Annotated[
        float | None, typer.Option("--to", help="Drawn up to here (s).", show_default="the end of the run")
    ] = None,
    cells: Annotated[int, typer.Option(help="Largest number of cells drawn per population.")] = CELLS,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the pictures.", show_default="the result folder itself")
    ] = None,
):
    """Draw the pictures of a result again, of some cells and some time, from its folder alone."""
    result = load(folder)
    places = {"head": head, "token": token, "context": context}
    chosen = places | {"from": start, "to": stop, "cells": None if cells == CELLS else cells}
    times = {"t_start": None if start is None else start * second, "t_stop": None if stop is None else stop * second}
    try:
        figures = {f"raster{_ending(chosen)}": result.raster(**places, max_cells=cells, **times)}
        if result.output is not None and result.reference is not None:
            heads = head if result.attention is not None and result.reference_attention is not None else None
            name = f"comparison{_ending({'head': heads})}"
            figures[name] = result.comparison(None if heads is None else [heads])
    except ValueError as error:
        raise o.OptionError(f"{folder}: {error}") from error
    place = made(folder if out is None else out)
    for name, figure in figures.items():
        save(figure, place / f"{name}.png")
        print(place / f"{name}.png")


def _ending(chosen):
    """End of the name of a picture of a part."""
    return "".join(f"-{name}{value:g}" for name, value in chosen.items() if value is not None)


def diff(first: Folder, second: Folder, json: o.Json = False):
    """Say what differs between two results: settings, inputs, and figures."""
    one, other = load(first), load(second)
    found = {
        "settings": _differing(one.provenance["options"], other.provenance["options"]),
        "code": _differing(*(_code(each) for each in (one, other))),
        "inputs": _arrays_differing(arrays(one.case), arrays(other.case)),
        "results": _arrays_differing(*({name: getattr(each, name) for name in ARRAYS} for each in (one, other))),
        "recordings": _recordings_differing(one.recording, other.recording),
        "figures": _differing(*(_figures(each) for each in (one, other))),
    }
    console = console_for(json)
    if json:
        print(json_module.dumps(found))
    for title, rows in found.items():
        if rows:
            table = Table(title.removesuffix("s"), str(first), str(second), title=title)
            for name, values in rows.items():
                table.add_row(name, *map(_text, values))
            console.print(table)
    same = [title for title, rows in found.items() if not rows]
    console.print(f"the same: {', '.join(same) or 'nothing'}", highlight=False)


def export(
    folder: Folder,
    to: Annotated[str, typer.Option(help=f"Format: {', '.join(FORMATS)}.")],
    out: Annotated[
        Path | None, typer.Option(help="File (nix, nwb) or folder (sonata, ro-crate).",
        show_default="recording.nix, recording.nwb, sonata or ro-crate in the result folder")
    ] = None,
    overwrite: o.Overwrite = False,
):  # fmt: skip
    """Convert a result: its recording as NIX, NWB or SONATA, or all of it as an RO-Crate."""
    o.one_of("--to", to, FORMATS)
    result = load(folder)
    place = out or folder / FORMATS[to]
    if exists(place) and not overwrite:
        raise o.OptionError(f"{place} exists already; choose another with --out, or add --overwrite")
    if to == "ro-crate":
        write_ro_crate(folder, place, result.provenance, result.report, result.about)
    elif to == "sonata":
        write_sonata(result.recording, made(place))
    else:
        made(place.parent)
        if to == "nix":
            write_nix(result.spikes, place)
        else:
            write_nwb(result.recording, place, result.provenance, result.about)
    print(place)


def repeat(
    folder: Folder,
    out: o.out_option("results/compare/CASE-WIRING-FORM-TIME-HASH") = None,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
):
    """Run the circuit of a result again, with its case, settings and seeds, and say whether the answer is the same."""
    before = load(folder)
    check_folder(out, overwrite)
    about = [before.case.name, before.report["wiring"], before.report["form"]]
    with progress(f"{about[1]} wiring, {about[2]} form", quiet) as told:
        after = before.repeat(told)
    place = result_folder("compare", {"repeated": str(folder)}, out, overwrite, about)
    after.save(place, overwrite=True)
    same = not _arrays_differing(*({name: getattr(each, name) for name in ARRAYS} for each in (before, after)))
    spikes = not _recordings_differing(before.recording, after.recording)
    what = "bit for bit the same" if same and spikes else "not the same: `diff` says what differs"
    print(f"the answer and what was recorded are {what}; written to {place}")
    for sentence in judgement(after.report):
        print(sentence)
    return status_by([after.report["settled"]], after.report["interrupted"]) or (0 if same and spikes else FAILED)


def _recordings_differing(one, other):
    """What differs between two recordings, by population: amounts of what was recorded."""
    records = [{record.name: record for record in each.records} for each in (one, other)]
    found = {}
    for name in dict.fromkeys((*records[0], *records[1])):
        pair = [each.get(name) for each in records]
        if any(each is None for each in pair) or not _same(*map(_content, pair)):
            found[name] = tuple("not there" if each is None else _amount(each) for each in pair)
    return found


def _same(one, other):
    """Whether two lists of arrays are equal."""
    return len(one) == len(other) and all(map(np.array_equal, one, other))


def _content(record):
    """Cells, spikes in the order of time and cells, rates and traces of a record (list of ndarray)."""
    found = [record.cells, np.asarray(record.rate, "f4"), np.array([each.variable for each in record.traces])]
    if record.spike_index is not None:
        order = np.lexsort((record.spike_index, np.asarray(record.spike_time)))
        found += [np.asarray(record.spike_time)[order], record.spike_index[order]]
    return [*found, *(np.asarray(shown_in(each.values)[0], "f4") for each in record.traces)]


def _amount(record):
    """How much was recorded, in words."""
    traces = f", {', '.join(each.variable for each in record.traces)}" if record.traces else ""
    if record.spike_index is None:
        return f"{len(record.sample_time)} samples of {len(record.cells)} cells{traces}"
    return f"{len(record.spike_index)} spikes of {len(record.cells)} cells{traces}"


def _differing(one, other):
    """Entries of two dicts that are not equal: pairs by name."""
    names = [*dict.fromkeys((*one, *other))]
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}


def _code(result):
    """What was run: commit, code, modules of the user's own, and versions."""
    found = {name: result.provenance.get(name) for name in ("commit", "changed", "code")}
    return found | result.provenance.get("own_code", {}) | result.provenance["versions"]


def _figures(result):
    """Figures of comparison.json without those that never agree, and those of many entries."""
    return {
        name: value for name, value in result.report.items()
        if not name.endswith(("wall_s", "stepping_s")) and not isinstance(value, dict)
    }  # fmt: skip


def _arrays_differing(one, other):
    """Arrays that are not equal, by name: shapes, or the relative L2 of the second from the first."""
    found = {}
    for name in dict.fromkeys((*one, *other)):
        pair = one.get(name), other.get(name)
        if any(each is None for each in pair):
            if any(each is not None for each in pair):
                found[name] = tuple("not there" if each is None else str(each.shape) for each in pair)
        elif pair[0].shape != pair[1].shape:
            found[name] = tuple(str(each.shape) for each in pair)
        elif not np.array_equal(*pair):
            error = relative_l2(*(each.astype(float) for each in pair[::-1]))
            found[name] = ("", f"differs by {per_cent(error)}")
    return found


def _text(value):
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
