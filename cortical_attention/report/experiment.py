"""The page of an experiment: what it asked and predicted, what came of it, its pictures and figures, in one HTML file."""

import re
from html import escape
from typing import NamedTuple

from cortical_attention.readout.files import replacing
from cortical_attention.report.index import SORT, links_of
from cortical_attention.report.maps import attention_section
from cortical_attention.report.markup import Html, element, framed, paragraph, section, table
from cortical_attention.report.origin import provenance_section
from cortical_attention.report.page import Figures, whole
from cortical_attention.report.records import csv_table, tables_of
from cortical_attention.report.shown import png_uri, shown_section

ASKED = ("Question", "Prediction", "Reference")
OUTCOMES = ("held", "missed", "undecided")


class Experiment(NamedTuple):
    """The folder of an experiment, as it was read.

    Attributes
    ----------
    name : str
    docstring : str
        Title, then paragraphs that begin with their names, "Question: ...".
    figure : str
        What NAME.png shows, in a sentence.
    content : dict
        Of NAME.json.
    provenance : dict or None
        Content of run.json, with `printed`: tables and predictions.
    pictures, tables : list of pathlib.Path
        PNG and CSV files.
    shown : dict of str to (dict, ndarray or None, ndarray or None)
        By the form of circuits the content of shown.json, and the attention of circuit and algebra; by "" that of all heads.
    rows, experiments, failed : list
        Results below the folder; see `report.index.write_index`.
    """

    name: str
    docstring: str
    figure: str
    content: dict
    provenance: dict | None
    pictures: list
    tables: list
    shown: dict
    rows: list
    experiments: list
    failed: list


def write_experiment(experiment, path):
    """Write the page of an experiment.

    Parameters
    ----------
    experiment : Experiment
    path : pathlib.Path
        HTML file.

    Raises
    ------
    FolderError
        If the file cannot be written.
    """
    text = experiment_page(experiment)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def experiment_page(experiment):
    """The page of an experiment as text (str)."""
    paragraphs = [" ".join(each.split()) for each in experiment.docstring.split("\n\n")]
    figures, name = Figures(), experiment.name.replace("_", " ")
    attention, sizes = _heads(experiment.shown, figures.place)
    sections = [
        _asked(paragraphs),
        _predictions(experiment),
        _printed(experiment),
        attention,
        *(_of_a_form(form, *each) for form, each in experiment.shown.items() if form),
        _pictures(experiment),
        *links_of(experiment.rows, experiment.experiments, experiment.failed),
        _records(experiment),
        provenance_section(experiment.provenance) if experiment.provenance else "",
    ]
    header = element("h1", escape(name)) + element("p", escape(paragraphs[0]))
    return whole(f"cortical-attention: {name}", header, sections, figures, attention=sizes)


def _asked(paragraphs):
    """Question, prediction and reference of the docstring."""
    found = [each.partition(": ")[::2] for each in paragraphs if each.startswith(tuple(f"{name}: " for name in ASKED))]
    entries = "".join(element("dt", name) + element("dd", _prose(text)) for name, text in found)
    return section("question", "What was asked", element("dl", entries, class_="asked"))


def _prose(text):
    """Text of a docstring, from a capital letter on, with its names in backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text[:1].upper() + text[1:]))


def _predictions(experiment):
    """What was predicted, what was measured, and whether it held."""
    printed = (experiment.provenance or {}).get("printed")
    if not printed:
        return ""
    if experiment.content.get("interrupted"):
        return section(
            "predictions", "Predictions", paragraph("The run was interrupted, so predictions were not judged.")
        )
    rows = [(_outcome(each["outcome"]), each["predicted"], each["measured"]) for each in printed["predictions"]]
    if not rows:
        return ""
    held = sum(each["outcome"] == "held" for each in printed["predictions"])
    whole_table = table(
        "What was predicted, and what was measured", ("outcome", "predicted", "measured"), rows, sortable=True
    )
    return section("predictions", "Predictions", paragraph(f"{held} of {len(rows)} held."), whole_table)


def _outcome(word):
    signs = dict(zip(OUTCOMES, "✓✗?", strict=True))
    sign = element("span", signs[word], aria_hidden="true")
    return Html(element("span", f"{sign} {word}", class_=f"outcome {word}", data_value=word))


def _printed(experiment):
    """Tables that the command printed, and what failed."""
    printed = (experiment.provenance or {}).get("printed") or {"tables": []}
    parts = [_table(each, experiment.name) for each in printed["tables"]]
    parts += [paragraph(f"Failed: {label}: {said}") for label, said in (experiment.content.get("failed") or {}).items()]
    if experiment.content.get("interrupted"):
        parts.append(paragraph("The run was interrupted; this is what was computed until then."))
    return section("result", "Result", paragraph(SORT), *parts) if parts else ""


def _table(each, name):
    heads = [_lines(head or "figure") for head in each["heads"]]
    title = each["title"].replace("\n", "; ") or name.replace("_", " ")
    return table(title, heads, [map(_lines, row) for row in each["rows"]], sortable=True)


def _lines(text):
    """A text with its lines one below another."""
    return Html("<br>".join(map(escape, text.split("\n"))))


def _heads(shown, place):
    """Attention of all heads that the folder itself holds, and what the script needs of it."""
    if "" not in shown:
        return "", None
    found, attention, reference = shown[""]
    html, sizes = attention_section(_Maps(attention, reference), place, found)
    return shown_section(found) + html, sizes


class _Maps(NamedTuple):
    attention: object
    reference_attention: object


def _of_a_form(form, shown, attention, reference):
    return shown_section(shown, attention, reference, f"shown-{form}", f"What was shown, {form} form")


def _pictures(experiment):
    """Pictures of the folder, in the page itself."""
    figures = [_picture(each, experiment) for each in experiment.pictures]
    return section("pictures", "Pictures", *figures) if figures else ""


def _picture(path, experiment):
    own = path.stem == experiment.name
    said = experiment.figure if own else f"{path.stem.replace('_', ' ')} of {experiment.name.replace('_', ' ')}"
    said = said[:1].upper() + said[1:]
    image = f'<img class="picture" src="{png_uri(path.read_bytes())}" alt="{escape(said, quote=True)}">'
    return framed(image, said, said)


def _records(experiment):
    """Every figure of the JSON file, and tables in other files, to be opened on demand."""
    tables = {f"{experiment.name}.json": tables_of(experiment.content, "figures")}
    tables |= {path.name: csv_table(path, path.name) for path in experiment.tables}
    folded = (
        element("details", element("summary", escape(file)) + "".join(parts)) for file, parts in tables.items() if parts
    )
    said = paragraph("Every figure that the folder holds. Lists of more than a few numbers are in its files alone.")
    return section("records", "All figures", said, *folded)
