"""What the circuit is made of: its drawing, and tables as Nordlie et al. (2009) propose them, from the circuit itself."""

from html import escape

from cortical_attention.readout.described import sentences_of, tables_of
from cortical_attention.report.drawing import caption, drawing
from cortical_attention.report.markup import Html, element, paragraph, section, table

NUMBERS = ("cells", "pairs", "weights", "value")
CODE = ("index expression",)


def circuit_section(described):
    """The part of the page on the circuit.

    Parameters
    ----------
    described : dict or str
        Of `trials.description.description`, or a sentence on why the circuit is not known.

    Returns
    -------
    str
    """
    if isinstance(described, str):
        return section("circuit", "Circuit", paragraph(f"The circuit is not shown: {described}."))
    picture = element(
        "div", drawing(described), class_="drawing scroll", tabindex="0", role="region", aria_label="Drawing"
    )
    figure = element("figure", picture + element("figcaption", escape(caption(described))))
    sentences = map(paragraph, (f"{each[0].upper()}{each[1:]}." for each in sentences_of(described)))
    return section("circuit", "Circuit", *sentences, figure, *map(_table, tables_of(described)))


def _table(rows):
    """A table of a description in HTML."""
    numeric = [k for k, head in enumerate(rows.heads) if head in NUMBERS]
    heads = rows.heads if any(rows.heads) else ("part", "definition")
    code = [k for k, head in enumerate(heads) if head in (*CODE, "definition")]
    cells = ([_code(text) if k in code else text for k, text in enumerate(row)] for row in rows.rows)
    title = f"Populations: {rows.title}" if heads[0] == "population" else f"{rows.title[0].upper()}{rows.title[1:]}"
    return table(title, heads, cells, numeric)


def _code(text):
    return text if "\n" in text else Html(element("code", escape(text)))
