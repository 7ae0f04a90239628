"""Page of several results: a table that sorts, with a link to the page of each."""

from html import escape

from cortical_attention.readout.files import replacing
from cortical_attention.readout.formats import number, per_cent
from cortical_attention.report.headline import best_null
from cortical_attention.report.markup import Html, document, element, own, paragraph, section, table

SORT = "Click a heading, or press Enter on it, to sort by it."


def write_index(name, rows, experiments, failed, path):
    """Write the page of several results.

    Parameters
    ----------
    name : str
        Of the folder.
    rows : list of (str, str, dict)
        For each result its name, the link to its page, and the content of its comparison.json.
    experiments : list of (str, str, str, list, str)
        For each result of another experiment its name, the link to its page, the name of the experiment, its predictions as
        they are in run.json, and when it was written.
    failed : list of str
        A sentence for each result that could not be read.
    path : pathlib.Path
        HTML file.

    Raises
    ------
    FolderError
        If the file cannot be written.
    """
    count = len(rows) + len(experiments)
    title = f"{count} {'result' if count == 1 else 'results'} in {name}"
    parts = links_of(rows, experiments, failed)
    body = element("header", element("h1", escape(title))) + element("main", "".join(parts))
    text = document(title, own("page.css"), "", body + element("script", own("sort.js")))
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def links_of(rows, experiments, failed):
    """Parts of a page (list of str, HTML) with tables of results, each with a link to its page; as for `write_index`."""
    parts = []
    if rows:
        whole = table("Results", list(COLUMNS), [_row(*each) for each in rows], numeric=NUMERIC, sortable=True)
        parts.append(section("results", "Circuit against algebra", paragraph(SORT), whole))
    if experiments:
        found = [_experiment(*each) for each in experiments]
        whole = table("Experiments", HEADS, found, numeric=(2, 3), sortable=True)
        parts.append(section("experiments", "Experiments", paragraph(SORT), whole))
    if failed:
        parts.append(section("failed", "Results that could not be read", *map(paragraph, failed)))
    return parts


HEADS = ("result", "experiment", "predictions held", "predictions", "written")


def _experiment(name, link, experiment, predictions, written):
    held = sum(each["outcome"] == "held" for each in predictions)
    first = element("a", escape(name), href=link, data_value=name)
    return [Html(first), experiment, *((str(held), str(len(predictions))) if predictions else "--"), written or "-"]


COLUMNS = {
    "result": lambda report: None,  # a link
    "wiring": lambda report: report["wiring"],
    "form": lambda report: report["form"],
    "tokens": lambda report: report.get("n_token"),
    "heads": lambda report: report.get("n_head"),
    "relative L2": lambda report: report.get("relative_l2"),
    "by design": lambda report: report.get("relative_l2_by_design"),
    "best null": lambda report: best_null(report)[1],
    "skill": lambda report: report.get("skill"),
    "queries identified": lambda report: report.get("query_identification"),
    "settled": lambda report: "interrupted" if report["interrupted"] else "yes" if report["settled"] else "no",
    "cells": lambda report: report.get("n_cell"),
    "computing (s)": lambda report: report.get("wall_s"),
}
"""Heads of the table, and what stands below each."""
SHARES = ("relative L2", "by design", "best null", "queries identified")
WORDS = ("result", "wiring", "form", "settled")
NUMERIC = [k for k, head in enumerate(COLUMNS) if head not in WORDS]


def _row(name, link, report):
    """Texts of a result, each with the value by which it is sorted."""
    first = element("a", escape(name), href=link, data_value=name)
    return [Html(first), *(_cell(head, of(report)) for head, of in list(COLUMNS.items())[1:])]


def _cell(head, value):
    text = value if head in WORDS else per_cent(value) if head in SHARES else _number(value)
    return Html(element("span", escape(str(text)), data_value="" if value is None else value))


def _number(value):
    return f"{value:,}" if isinstance(value, int) else number(value)
