"""Small pieces of HTML. Every text from outside is escaped here."""

from html import escape
from importlib.resources import files

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:"
)
"""What the page may load: nothing that is not in it (Bokeh compiles its callbacks, hence 'unsafe-eval')."""

LONG = 40  # characters, from which the first cell of a row has several lines


def own(name):
    """A file of this folder as text: a style sheet or a script."""
    return (files(__package__) / name).read_text(encoding="utf-8")


def element(tag, content="", **attributes):
    """An element with the HTML `content`; underscores at the end of attributes go, others become hyphens."""
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{named}>{content}</{tag}>"


def table(caption, heads, rows, numeric=(), sortable=False):
    """A table that scrolls sideways where the window is narrow.

    Parameters
    ----------
    caption : str
    heads : sequence of str
    rows : iterable of sequence
        Texts; an `Html` stays as it is.
    numeric : container of int
        Columns of numbers.
    sortable : bool
        Whether the script `sort.js` of the page makes buttons of the heads.

    Returns
    -------
    str
    """
    first = "".join(element("th", html(head), scope="col") for head in heads)
    body = "".join(element("tr", "".join(_cell(text, k in numeric) for k, text in enumerate(row))) for row in rows)
    inside = element("caption", escape(caption)) + element("thead", element("tr", first)) + element("tbody", body)
    whole = element("table", inside, class_="sortable" if sortable else None)
    return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


class Html(str):
    """Text that is HTML already."""


def _cell(text, numeric):
    long = len(str(text)) > LONG and not str(text).startswith("<")
    return element("td", html(text), class_="number" if numeric else "long" if long else None)


def html(text):
    """A text as HTML; lines of a text with several become lines of code."""
    if isinstance(text, Html):
        return text
    return element("pre", escape(str(text))) if "\n" in str(text) else escape(str(text))


def section(name, title, *parts):
    """A part of the page with its heading."""
    heading = element("h2", escape(title), id=f"{name}-title")
    return element("section", heading + "".join(parts), id=name, aria_labelledby=f"{name}-title")


def paragraph(text):
    """A paragraph of plain text."""
    return element("p", escape(text))


def framed(content, label, caption):
    """A figure with what a screen reader says of it, and its caption."""
    return element("figure", content + element("figcaption", escape(caption)), role="group", aria_label=label)


def document(title, style, head, body):
    """A whole page."""
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            element("title", escape(title)),
            element("style", style),
            head,
            "</head>",
            element("body", body),
            "</html>\n",
        )
    )
