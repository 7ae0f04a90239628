"""Where a result comes from: command, versions, seeds, and every setting."""

import json

from cortical_attention.report.markup import Html, element, section, table

LEFT_OUT = (
    "parameters",
    "unit_rates",
    "schema_version",
    "options",
    "printed",
)  # elsewhere, or of no use to people


def provenance_section(provenance):
    """The part of the page on where the result comes from.

    Parameters
    ----------
    provenance : dict
        Content of run.json.

    Returns
    -------
    str
    """
    plain = {name: value for name, value in provenance.items() if name not in LEFT_OUT}
    tables = [
        table("This run", ("what", "value"), [(name.replace("_", " "), _text(value)) for name, value in plain.items()])
    ]
    for name, (title, caption, head) in FOLDED.items():
        if provenance.get(name):
            tables.append(_folded(title, table(caption, (head, "value"), _rows(provenance[name]))))
    return section("provenance", "Provenance", *tables)


FOLDED = {
    "options": ("Options", "Options", "option"),
    "unit_rates": ("Unit rates", "Rate that stands for the value one", "population"),
    "parameters": ("Every parameter", "Parameters", "parameter"),
}


def _folded(title, content):
    """Content that opens on demand, with the keyboard too."""
    return element("details", element("summary", title) + content)


def _rows(settings, before=""):
    """Settings of any depth as rows: dotted name and value."""
    found = []
    for name, value in settings.items():
        if isinstance(value, dict) and value and not _quantity(value):
            found += _rows(value, f"{before}{name}.")
        else:
            found.append((f"{before}{name}", _text(value)))
    return found


def _quantity(value):
    return isinstance(value, dict) and set(value) == {"value", "unit"}


def _text(value):
    """A value of run.json as people write it."""
    if value is None:
        return "none"
    if _quantity(value):
        return f"{value['value']} {value['unit']}"
    if isinstance(value, dict):
        return "none" if not value else ", ".join(f"{name} {_text(each)}" for name, each in value.items())
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return Html(" ".join(f"<code>{_escaped(each)}</code>" for each in value))
    return value if isinstance(value, str) else json.dumps(value)


def _escaped(text):
    from html import escape

    return escape(text)
