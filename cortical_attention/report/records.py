"""Tables of what an experiment wrote as JSON or CSV: a row for each of its records."""

import csv
from html import escape

from cortical_attention.readout.formats import number, per_cent
from cortical_attention.report.markup import Html, element, paragraph, table

MOST, FEW = 500, 4  # rows of a table; entries of a list that are written out
LEFT_OUT = ("schema_version", "interrupted", "failed")
SHARES = (
    "relative_l2",
    "accuracy",
    "query_identification",
    "share",
    "same_answer",
)  # names of fractions hold one of these


def tables_of(content, title):
    """Tables of figures (list of str, HTML).

    Parameters
    ----------
    content : dict
        Of NAME.json. Each list of objects becomes a table, and so do objects of nothing but objects; the rest is one
        table of names and values.
    title : str
    """
    content = {name: value for name, value in content.items() if name not in LEFT_OUT}
    if len(content) > 1 and all(isinstance(each, dict) for each in content.values()):
        return rows_table([{"part": name, **each} for name, each in content.items()], title)
    lists = {name: value for name, value in content.items() if _is_rows(value)}
    rest = [(words(name), shown(name, value)) for name, value in flat(content) if name not in lists]
    found = [table(title, ("figure", "value"), rest, sortable=True)] if rest else []
    return sum((rows_table(rows, words(name)) for name, rows in lists.items()), found)


def _is_rows(value):
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def rows_table(rows, title):
    """Table of records (list of str, HTML): what is equal in all of them is said in a sentence."""
    rows = [dict(flat(row)) for row in rows]
    names = list(dict.fromkeys(name for row in rows for name in row))
    texts = [[shown(name, row.get(name)) for name in names] for row in rows[:MOST]]
    same = [k for k in range(1, len(names)) if len(rows) > 1 and len({row.get(names[k]) for row in rows}) == 1]
    kept = [k for k in range(len(names)) if k not in same]
    numeric = [place for place, k in enumerate(kept) if _is_number(rows, names[k])]
    whole = table(
        title, [words(names[k]) for k in kept], [[row[k] for k in kept] for row in texts], numeric, sortable=True
    )
    equal = [f"{words(names[k])} {_plain(texts[0][k])}" for k in same if rows[0].get(names[k]) is not None]
    said = [f"The same in every row: {'; '.join(equal)}."] * bool(equal)
    said += [f"The first {MOST} of {len(rows):,} rows."] * (len(rows) > MOST)
    return [whole, *(element("p", escape(each), class_="hint") for each in said)]


def csv_table(path, title):
    """Table of a CSV file (list of str, HTML)."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [{name: _parsed(text) for name, text in row.items()} for row in csv.DictReader(file)]
    return rows_table(rows, title) if rows else [paragraph("There are no rows.")]


def _parsed(text):
    """A number where a text of a CSV file is one; None for nothing."""
    try:
        return float(text) if "." in text or "e" in text else int(text)
    except ValueError:
        return text or None


def _is_number(rows, name):
    values = [row.get(name) for row in rows]
    return all(each is None or isinstance(each, int | float) and not isinstance(each, bool) for each in values)


def flat(content, before=""):
    """Names and values of an object, those of objects inside it with a point between; a short list as a text, no other."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{name}.")
        elif isinstance(value, list):
            if len(value) <= FEW and not any(isinstance(each, dict | list) for each in value):
                yield f"{before}{name}", ", ".join(_plain(shown("", each)) for each in value) or "-"
        elif name not in LEFT_OUT:
            yield f"{before}{name}", value


def words(name):
    """Name of a figure in words."""
    return name.replace("_", " ").replace(".", ": ").replace("relative l2", "relative L2")


def shown(name, value):
    """A value as text, with the number by which it is sorted."""
    if value is None or isinstance(value, str):
        return "-" if value is None else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:,}" if isinstance(value, int) else number(value, 4)
    text = per_cent(value) if any(each in name for each in SHARES) else text
    return Html(element("span", escape(text), data_value=value))


def _plain(text):
    """Text of a cell without its element."""
    return text.split(">", 1)[1].rsplit("<", 1)[0] if isinstance(text, Html) else text
