"""Drawing of a circuit by Graphviz: layers as boxes from the surface down, and an arrow for each projection.

Graphviz places the nodes by its arrows, from the top of the picture to the bottom. It therefore gets all of them from the
upper to the lower population, and those that run upwards are drawn backwards.
"""

import shutil
from importlib.util import find_spec

from cortical_attention.readout.files import replacing
from cortical_attention.readout.style import LAYER_COLOURS, layer_colours, lighter

FORMATS = (".svg", ".png")
NUCLEI = "nuclei"
FONT = {"fontname": "Helvetica"}
GRAPH = FONT | {"newrank": "true", "nodesep": "0.5", "ranksep": "0.9", "fontsize": "13", "dpi": "110"}
NODE = FONT | {"shape": "box", "style": "filled", "fontsize": "13", "penwidth": "1.5", "margin": "0.15,0.08"}
EDGE = FONT | {"fontsize": "12", "penwidth": "1.3"}
BOX = {"style": "rounded", "color": "#999999", "labeljust": "l"}
SIZE = {"normal": "0.8", "dot": "0.8", "tee": "1.2"}
LEGEND = "dot: apical dendrite      bar: inhibition      arrow: any other port"


def missing():
    """What a drawing needs and this computer does not have, as one sentence without its full stop; None if all is there."""
    if find_spec("graphviz") is None:
        return "the Python package graphviz is missing; pip install graphviz"
    if shutil.which("dot") is None:
        return "the program dot is missing; install Graphviz (graphviz.org), for example with apt install graphviz"
    return None


def draw(described, path):
    """Write a drawing of a circuit, of the type given by the suffix of `path`.

    Parameters
    ----------
    described : dict
        Of `trials.description.description`.
    path : pathlib.Path
        Ends in .svg or .png.

    Raises
    ------
    FolderError
        If the file cannot be written.
    """
    picture = graph_of(described).pipe(format=path.suffix[1:].lower())
    with replacing(path) as part:
        part.write_bytes(picture)


def graph_of(described):
    """Graph of a circuit (graphviz.Digraph)."""
    from graphviz import Digraph, escape

    populations = described["populations"]
    colours = layer_colours(each["layer"] for each in populations)
    title = f"{described['wiring']} wiring, {described['form']} form\n{letters_of(described)}\n{LEGEND}"
    graph = Digraph(graph_attr=GRAPH | {"label": escape(title)}, node_attr=NODE, edge_attr=EDGE)
    order = order_of(populations)
    for number, ((area, layer), names) in enumerate(boxes_of(populations, order).items()):
        with graph.subgraph(name=f"cluster_{number}") as box:
            place = "b" if layer == NUCLEI else "t"  # where no arrow crosses it
            box.attr(label=escape(f"{area} {layer}".replace("_", " ").strip()), labelloc=place, **BOX)
            _fill(box, [each for each in populations if each["name"] in names], order, colours)
    layer_of = {each["name"]: each["layer"] for each in populations}
    for each in described["projections"]:
        _connect(graph, each, order, colours[layer_of[each["source"]]])
    return graph


def _fill(box, populations, order, colours):
    """Add populations to the box of a layer: pyramidal tract cells (L5b) in a row below all others."""
    for low in (False, True):
        with box.subgraph() as row:
            row.attr(rank="same")
            for each in populations:
                if (each["role"] == "pyramidal tract") is low:
                    row.node(_key(each["name"], order), **_node(each, colours[each["layer"]]))


def _key(name, order):
    """Name of a population in the graph, in which a colon would name a part of a node."""
    return f"population_{order[name]}"


def order_of(populations):
    """Place of each population from the top of the picture down (dict of str to int): later areas first, then layers as they
    are registered, nuclei last."""
    areas = list(dict.fromkeys(each["area"] for each in populations))
    layers = list(layer_colours([*LAYER_COLOURS, *(each["layer"] for each in populations)]))

    def depth(each):
        return -areas.index(each["area"]), _layer(each) == NUCLEI, layers.index(each["layer"])

    return {each["name"]: place for place, each in enumerate(sorted(populations, key=depth))}


def boxes_of(populations, order):
    """Names of the populations of each area and layer, from the top down."""
    boxes = {}
    for each in sorted(populations, key=lambda each: order[each["name"]]):
        boxes.setdefault((each["area"], _layer(each)), []).append(each["name"])
    return boxes


def _layer(population):
    """Layer of the cortex in which a population is drawn ("L5"), or the nuclei."""
    return NUCLEI if population["role"] in ("relay", "reticular") else population["layer"].partition(" ")[0]


def _node(population, colour):
    """Attributes of a population: its name, its axes and the number of its cells, in the colour of its layer."""
    from graphviz import escape

    axes = " × ".join(f"{size} {kind}" for kind, size in axes_of(population))
    label = f"{population['name'].replace('_', ' ')}\n{axes}\n{population['n_cell']} cells"
    return {"label": escape(label), "color": colour, "fillcolor": lighter(colour, 0.8)}


def axes_of(population):
    """Kind and size of the axes that a circuit gives to a population, without the hidden ones."""
    return [(axis["kind"], axis["size"]) for axis in population["axes"] if not axis["hidden"]]


def _connect(graph, projection, order, colour):
    """Add a projection to a graph, backwards where it runs upwards."""
    source, target = projection["source"], projection["target"]
    head, text = head_of(projection), projection["expression"].replace("->", "→")
    drawn = {
        "label": f" {projection['port']}: {text} ",
        "color": colour,
        "fontcolor": "#333333",
        "arrowsize": SIZE[head],
    }
    ends = [_key(name, order) for name in (source, target)]
    if order[source] > order[target]:
        graph.edge(*reversed(ends), dir="back", arrowtail=head, **drawn)
    else:
        corner = {"headport": "ne"} if head == "dot" else {}  # beside what inhibits the same cells from above
        graph.edge(*ends, arrowhead=head, **drawn, **corner)


def head_of(projection):
    """End of an arrow: a bar for inhibition, a dot at the apical dendrite."""
    if projection["sign"] == "inhibitory":
        return "tee"
    return "dot" if projection["port"] == "apical" else "normal"


def letters_of(described):
    """Kind of axis that each letter of the index expressions stands for, as text; more than one where lines differ."""
    kinds, found = {each["name"]: [kind for kind, _ in axes_of(each)] for each in described["populations"]}, {}
    for each in described["projections"]:
        left, _, target = each["expression"].partition("->")
        for letters, name in ((left.partition(",")[0], each["source"]), (target, each["target"])):
            for letter, kind in zip(letters.strip(), kinds[name], strict=True):
                found.setdefault(letter, {})[kind] = None
    return "      ".join(f"{letter}: {' or '.join(some)}" for letter, some in sorted(found.items()))
