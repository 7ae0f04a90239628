"""The page of one result: a single HTML file that asks nothing of any other file or machine."""

import json
import re
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
from cortical_attention.report.shown import shown_section
from cortical_attention.report.statistics import statistics_section

QUESTION = "Does this circuit compute attention? Its answer, held against the algebra."


def write_page(result, path, described=None, shown=None):
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
    shown : dict, optional
        What tokens stand for, the content of shown.json.

    Raises
    ------
    FolderError
        If the file cannot be written.
    """
    text = page(result, described, shown)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def page(result, described=None, shown=None):
    """The page of a result as text; see `write_page`."""
    drawn, figures = panels(result.recording) if result.recording.t_stop > 0 else None, Figures()
    attention, sizes = attention_section(result, figures.place, shown)
    sections = [
        section("figures", "Figures of agreement", headline(result.report)),
        *([] if shown is None else [shown_section(shown, result.attention, result.reference_attention)]),
        attention,
        activity_section(drawn, figures.place) if drawn and drawn.lanes else _nothing(),
        statistics_section(result.recording),
        answer_section(result, figures.place),
        *([] if described is None else [circuit_section(described)]),
        provenance_section(result.provenance),
    ]
    header = element("h1", escape(result.about)) + element("p", QUESTION)
    return whole(f"cortical-attention: {result.about}", header, sections, figures, drawn.data if drawn else None, sizes)


class Figures:
    """Figures of Bokeh in a page, in the order in which they are placed."""

    def __init__(self):
        self.roots = []

    def place(self, figure):
        """Take a figure into the page, and give the HTML in which it appears."""
        self.roots.append(figure)
        return f"<root{len(self.roots) - 1}>"  # which no text from outside can hold

    def embedded(self):
        """Script of Bokeh, that of the figures, and the HTML of each; nothing where there are none."""
        if not self.roots:
            return "", "", ()
        together = Document()
        for root in self.roots:
            together.add_root(root)
        bokeh = Resources(mode="inline", minified=True, components=["bokeh"], log_level="warn").render_js()
        return bokeh, *components(tuple(self.roots))


NO_TIME = {"t_stop": 0, "dt": 1, "lanes": [], "measured": [0, 0]}


def whole(title, header, sections, figures, activity=None, attention=None):
    """A page as text.

    Parameters
    ----------
    title : str
    header : str
        HTML.
    sections : list of str
        HTML.
    figures : Figures
        That appear in the sections.
    activity, attention : dict, optional
        What the script needs of the raster and of the maps.
    """
    bokeh, script, places = figures.embedded()
    body = "".join(sections)
    for k, html in enumerate(places):
        body = body.replace(f"<root{k}>", html)
    known = (activity or NO_TIME) | {"attention": attention, "figures": len(places)}
    scripts = [
        element("script", json.dumps(known).replace("<", "\\u003c"), type="application/json", id="page-data"),
        *(element("script", own(name)) for name in ("page.js", "sort.js")),
        script,
    ]
    return document(title, own("page.css"), bokeh, _frame(header, Html(body)) + "".join(scripts))


def _nothing():
    return section("activity", "Activity", paragraph("Nothing was recorded."))


TITLED = re.compile(r'<section id="([^"]*)"[^>]*><h2[^>]*>(.*?)</h2>')


def _frame(header, sections):
    """Heading of the page, links to its parts, and the parts."""
    parts = TITLED.findall(sections)
    links = "".join(element("a", Html(SHORT.get(name, title)), href=f"#{name}") for name, title in parts)
    return (
        element("a", "Skip to the first part", href=f"#{parts[0][0]}", class_="skip")
        + element("header", header)
        + element("nav", links, aria_label="Parts of this page")
        + element("main", sections)
    )


SHORT = {"figures": "Figures", "traces": "Membranes", "statistics": "Statistics"}
"""Words for some parts among the links at the top, in the place of their titles."""
