"""The figures by which a result is judged, each with a sentence on what it says."""

from html import escape
from math import sqrt

from cortical_attention.readout.formats import number, per_cent
from cortical_attention.report.markup import element


def headline(report):
    """Cards of the figures of a result.

    Parameters
    ----------
    report : dict
        Content of comparison.json.

    Returns
    -------
    str
        A list of terms in HTML.
    """
    cards = (element("div", _term(*each)) for each in figures(report) if each[1] is not None)
    return element("dl", "".join(cards), class_="cards")


def _term(name, value, note):
    return element("dt", escape(name)) + element("dd", element("b", escape(value)) + element("small", escape(note)))


def figures(report):
    """Name, value and explanation of each figure (list of tuple of str); the value is None of what was not measured.

    Of replicas that are answered with independent noise, squared errors add up: what is not by design is by noise.
    """
    error, design = report.get("relative_l2"), report.get("relative_l2_by_design")
    name, null = best_null(report)
    noise = None if error is None or design is None else sqrt(max(error**2 - design**2, 0.0))
    n_synapse, wall = report.get("n_synapse"), report.get("wall_s")
    return [
        ("Relative L2", _share(error), "distance of the circuit's answer from the algebra"),
        ("by design", _share(design), _shared(design, report.get("replicas"))),
        ("by noise", _share(noise), "what is left of it in one answer"),
        ("Best null", _share(null), f"a circuit that ignores what it should read: {name.replace('_', ' ')}"),
        (
            "Linear from softmax",
            _share(report.get("softmax_relative_l2")),
            "distance of the two kinds of attention on this block",
        ),
        ("Skill", _number(report.get("skill")), "1: exact; 0: no better than the best null"),
        (
            "Queries identified",
            _share(report.get("query_identification")),
            "answers closest to that of their own query",
        ),
        ("Settled", _settled(report), _why(report)),
        ("Cells", _count(report.get("n_cell")), f"and {_count(n_synapse)} synapses"),
        ("Simulated", _seconds(report.get("biological_s")), f"in {_seconds(wall) or 'unknown'} of computing"),
    ]


def best_null(report):
    """Name and relative L2 of the null that comes closest ("" and None without one)."""
    nulls = {name: report.get(f"{name}_relative_l2") for name in report["nulls"]}
    known = {name: error for name, error in nulls.items() if error is not None}
    return min(known.items(), key=lambda each: each[1], default=("", None))


def _shared(design, replicas):
    """What the error by design is; it is zero where it is lost in the noise of the mean answer."""
    return (
        f"what {replicas} answers with independent noise share"
        if design
        else f"too small for {replicas} answers to show"
    )


def _settled(report):
    return "interrupted" if report["interrupted"] else "yes" if report["settled"] else "no"


def _why(report):
    return report.get("reason") or "the answer no longer drifts"


def _share(value):
    return None if value is None else per_cent(value) if value else "0 %"


def _number(value):
    return None if value is None else number(value, 4)


def _count(value):
    return None if value is None else f"{value:,}"


def _seconds(value):
    return None if value is None else f"{value:.3g} s"
