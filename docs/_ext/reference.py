"""What autodoc is told about the docstrings of this project, which are plain text first."""

import re

from sphinx.util.inspect import object_description

from cortical_attention.cells.forms import FORMS

QUOTED = re.compile(r"(``.*?``|`[^`]*`)")
FORM = {object_description(form): form.name.upper() for form in FORMS.values()}
"""Name of each form, by how signatures would show it as a default: by all of its constants."""
MARK = re.compile(r"\||(?<=[(\s])\*(?=\w)")


def setup(app):
    """Tell it before numpydoc reads them."""
    app.connect("autodoc-process-docstring", _as_they_stand, priority=100)
    app.connect("autodoc-process-signature", _named)
    app.connect("autodoc-skip-member", _skip)
    app.connect("missing-reference", _of_a_room)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _as_they_stand(app, kind, name, member, options, lines):
    """A bar, as in |x|, and a star, as in (batch, *sizes), mean themselves outside of quotes and of drawings."""
    edge = None  # indentation of the line that announces a drawing
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if edge is None or (line.strip() and indent <= edge):
            parts = QUOTED.split(line)
            lines[i] = "".join(part if k % 2 else MARK.sub(r"\\\g<0>", part) for k, part in enumerate(parts))
            edge = indent if line.rstrip().endswith("::") else None


def _named(app, kind, name, member, options, signature, returned):
    """A signature that calls forms by their names."""
    for shown, form in FORM.items():
        signature = signature and signature.replace(shown, form)
    return signature, returned


def _skip(app, kind, name, member, skip, options):
    """Leave out fields of named tuples, which the docstring of the class describes; None: as autodoc would."""
    return (type(member).__name__ == "_tuplegetter") or None


def _of_a_room(app, env, node, text):
    """Resolve a name that begins with its room, as `cells.relay`, which lies in the package."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or target.startswith("cortical_attention."):
        return None
    target = f"cortical_attention.{target}"
    return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, node["reftype"], target, node, text)
