"""The page of one result: a single HTML file that asks nothing of any other file or machine."""

import json
from html import escape

from bokeh.document import Document
from bokeh.embed import components
from bokeh.resources import Resources

from cortical_attention.readout.files import replacing
from cortical_attention.report.activity import activity_section, panels
from cortical_attention.report.anatomy import circuit_section
from cortical_attention.report.curves import answer_section
from cortical_attention.report.headline import headline
from cortical_attention.report.maps import attention_section
from cortical_attention.report.markup import Html, document, element, own, paragraph, section
from cortical_attention.report.origin import provenance_section

QUESTION = "Does this circuit compute attention? Its answer, held against the algebra."


def write_page(result, path, described=None):
    """Write the page of a result.

    Parameters
    ----------
    result
        With `about`, `report`, `provenance`, `output`, `attention`, `reference`, `reference_attention` and `recording`: a
        `trials.result.Result`.
    path : pathlib.Path
        HTML file.
    described : dict or str, optional
        What the circuit is made of (`trials.description.description`), or a sentence on why that is not known.

    Raises
    ------
    FolderError
        If the file cannot be written.
    """
    text = page(result, described)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def page(result, described=None):
    """The page of a result as text; see `write_page`."""
    roots = []

    def place(figure):
        """Take a figure into the page, and give the HTML in which it appears."""
        roots.append(figure)
        return f"<root{len(roots) - 1}>"  # which no text from outside can hold

    drawn = panels(result.recording) if result.recording.t_stop > 0 else None
    attention, sizes = attention_section(result, place)
    activity = activity_section(drawn, place) if drawn and drawn.lanes else _nothing()
    sections = [
        section("figures", "Figures of agreement", headline(result.report)),
        attention,
        activity,
        answer_section(result, place),
        *([] if described is None else [circuit_section(described)]),
        provenance_section(result.provenance),
    ]
    script, places = _embedded(roots)
    body = "".join(sections)
    for k, html in enumerate(places):
        body = body.replace(f"<root{k}>", html)
    known = (drawn.data if drawn else NO_TIME) | {"attention": sizes, "figures": len(roots)}
    data = json.dumps(known).replace("<", "\\u003c")
    scripts = [
        element("script", data, type="application/json", id="page-data"),
        element("script", own("page.js")),
        script,
    ]
    bokeh = Resources(mode="inline", minified=True, components=["bokeh"], log_level="warn").render_js()
    return document(
        f"cortical-attention: {result.about}", own("page.css"), bokeh, _frame(result, Html(body)) + "".join(scripts)
    )


def _embedded(roots):
    """Script of the figures, and the HTML of each; nothing of an interrupted run that has none."""
    if not roots:
        return "", ()
    whole = Document()
    for root in roots:
        whole.add_root(root)
    return components(tuple(roots))


NO_TIME = {"t_stop": 0, "dt": 1, "lanes": [], "measured": [0, 0]}


def _nothing():
    return section("activity", "Activity", paragraph("Nothing was recorded."))


PARTS = {
    "figures": "Figures", "attention": "Attention", "activity": "Activity", "traces": "Membranes", "answer": "Answer",
    "circuit": "Circuit", "provenance": "Provenance",
}  # fmt: skip


def _frame(result, sections):
    """Heading of the page, links to its parts, and the parts."""
    links = "".join(element("a", title, href=f"#{name}") for name, title in PARTS.items() if f'id="{name}"' in sections)
    return (
        element("a", "Skip to the figures", href="#figures", class_="skip")
        + element("header", element("h1", escape(result.about)) + element("p", QUESTION))
        + element("nav", links, aria_label="Parts of this page")
        + element("main", sections)
    )
