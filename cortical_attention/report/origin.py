"""Where a result comes from: command, versions, seeds, and every setting."""

import json

from cortical_attention.report.markup import Html, element, section, table

LEFT_OUT = ("parameters", "unit_rates", "schema_version", "options")  # in tables of their own, or of no use to people


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
    rates = [(name, _text(value)) for name, value in provenance["unit_rates"].items()]
    tables = [
        table("This run", ("what", "value"), [(name.replace("_", " "), _text(value)) for name, value in plain.items()]),
        _folded("Options", table("Options", ("option", "value"), _rows(provenance["options"]))),
        _folded("Unit rates", table("Rate that stands for the value one", ("population", "rate"), rates)),
        _folded("Every parameter", table("Parameters", ("parameter", "value"), _rows(provenance["parameters"]))),
    ]
    return section("provenance", "Provenance", *tables)


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
