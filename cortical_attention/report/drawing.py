"""Drawing of a circuit as SVG, made without any other program: a band for each layer, an arrow for each projection."""

from html import escape
from typing import NamedTuple

from cortical_attention.readout.diagram import axes_of, boxes_of, head_of, letters_of, order_of
from cortical_attention.readout.style import layer_colours, lighter
from cortical_attention.report.markup import element

WIDTH, HEIGHT = 200, 62  # of a population
BAND, BETWEEN = 96, 120  # height of a band, and of the room between two for labels
TOP, LEVEL = 62, (42, 88)  # room above the first band; bows of arrows within a band, one above another
SIDE, LEAST = 30, 1000  # margin; width of the drawing
TALL, LETTER = 17, 6.6  # of a label
TRIED = (0.5, 0.38, 0.62, 0.27, 0.73, 0.18, 0.82)  # places of a label along its arrow
LEGEND = "dot: apical dendrite; bar: inhibition; arrow: any other port"


class Node(NamedTuple):
    """A population in the drawing, at the middle of its box."""

    x: float
    y: float
    colour: str
    population: dict


def drawing(described):
    """Drawing of a circuit.

    Parameters
    ----------
    described : dict
        Of `trials.description.description`.

    Returns
    -------
    str
        An SVG element.
    """
    bands, nodes, width, height = _placed(described["populations"])
    taken = [(node.x, node.y, WIDTH, HEIGHT) for node in nodes.values()]
    arrows = [
        _arrow(each, ends, nodes, taken)
        for each, ends in zip(described["projections"], _ends(described, nodes), strict=True)
    ]
    boxes = [_box(each) for each in nodes.values()]
    lines, labels = ("".join(part) for part in zip(*arrows, strict=True)) if arrows else ("", "")
    name = f"Drawing of the {described['wiring']} wiring: {len(nodes)} populations and {len(arrows)} projections"
    return element(
        "svg", _markers() + "".join(bands) + lines + "".join(boxes) + labels, viewBox=f"0 0 {width} {height}", width=width,
        role="img", aria_label=name, font_family="system-ui, sans-serif", font_size="12",
    )  # fmt: skip


def caption(described):
    """What letters and ends of arrows mean."""
    letters = ", ".join(letters_of(described).split("      "))
    return f"{letters}. {LEGEND[0].upper()}{LEGEND[1:]}. The table of projections says the same in words."


def _placed(populations):
    """Bands (SVG) from the surface down, nodes by name, and the size of the drawing."""
    order = order_of(populations)
    boxes = boxes_of(populations, order)
    colours = layer_colours(each["layer"] for each in populations)
    by_name = {each["name"]: each for each in populations}
    width = max([LEAST, *(len(names) * (WIDTH + 60) + 2 * SIDE for names in boxes.values())])
    bands, nodes = [], {}
    for row, ((area, layer), names) in enumerate(boxes.items()):
        top = TOP + row * (BAND + BETWEEN)
        bands.append(_band(f"{area} {layer}".replace("_", " ").strip(), top, width))
        step = (width - 2 * SIDE) / len(names)
        for k, name in enumerate(names):
            x = SIDE + (k + 0.5) * step + 18 * (row % 2)  # so that arrows do not run through boxes of the row between
            nodes[name] = Node(x, top + BAND / 2 + 6, colours[by_name[name]["layer"]], by_name[name])
    return bands, nodes, width, TOP + len(boxes) * (BAND + BETWEEN) - BETWEEN + 10


def _band(name, top, width):
    box = element("rect", x=8, y=top, width=width - 16, height=BAND, rx=10, fill="#FAFAFA", stroke="#BBBBBB")
    return box + element("text", escape(name), x=18, y=top + 16, fill="#555555")


def _box(node):
    """Box of a population: its name, its axes and the number of its cells."""
    axes = " × ".join(f"{size} {kind}" for kind, size in axes_of(node.population))
    lines = (node.population["name"].replace("_", " "), axes, f"{node.population['n_cell']:,} cells")
    box = element(
        "rect", x=node.x - WIDTH / 2, y=node.y - HEIGHT / 2, width=WIDTH, height=HEIGHT, rx=6,
        fill=lighter(node.colour, 0.85), stroke=node.colour, stroke_width=2,
    )  # fmt: skip
    texts = (
        element(
            "text", escape(line), x=node.x, y=node.y - HEIGHT / 2 + 18 + 17 * k, text_anchor="middle",
            font_weight="600" if k == 0 else None, textLength=WIDTH - 16 if len(line) * LETTER > WIDTH - 10 else None,
        )
        for k, line in enumerate(lines)
    )  # fmt: skip
    return box + "".join(texts)


def _ends(described, nodes):
    """Where each arrow begins and ends: arrows at one side of a box lie side by side (list of two points)."""
    sides = {}
    for k, each in enumerate(described["projections"]):
        source, target = nodes[each["source"]], nodes[each["target"]]
        for end, (here, there) in enumerate(((source, target), (target, source))):
            side = "top" if there.y < here.y else "bottom" if there.y > here.y else "level"
            sides.setdefault((here.population["name"], side), []).append((there.x, k, end))
    places = {}
    for (name, side), some in sides.items():
        node = nodes[name]
        for place, (_, k, end) in enumerate(sorted(some)):
            x = node.x + WIDTH * ((place + 1) / (len(some) + 1) - 0.5)
            places[k, end] = (x, node.y + (HEIGHT / 2 if side == "bottom" else -HEIGHT / 2))
    return [(places[k, 0], places[k, 1]) for k in range(len(described["projections"]))]


def _arrow(projection, ends, nodes, taken):
    """Line of a projection, and its label at the first place along it where nothing is yet."""
    (x0, y0), (x3, y3) = ends
    level = nodes[projection["source"]].y == nodes[projection["target"]].y
    bow = LEVEL[head_of(projection) == "tee"] if level else max(46, abs(y3 - y0) * 0.45)
    down0, down3 = (1 if y > nodes[projection[end]].y else -1 for y, end in ((y0, "source"), (y3, "target")))
    points = ((x0, y0), (x0, y0 + bow * down0), (x3, y3 + bow * down3), (x3, y3 + 5 * down3))
    colour, head = nodes[projection["source"]].colour, head_of(projection)
    path = "M{:.0f} {:.0f}C{:.0f} {:.0f} {:.0f} {:.0f} {:.0f} {:.0f}".format(
        *(each for point in points for each in point)
    )
    line = element(
        "path", d=path, fill="none", stroke=colour, stroke_width=1.6, marker_end=f"url(#{head})", color=colour
    )
    text = f"{projection['port']}: {projection['expression'].replace('->', '→')}"
    size = len(text) * LETTER + 8, TALL
    x, y = next((each for each in (_on(points, t) for t in TRIED) if _free(each, size, taken)), _on(points, TRIED[0]))
    taken.append((x, y, *size))
    back = element(
        "rect", x=x - size[0] / 2, y=y - TALL / 2, width=size[0], height=TALL, fill="#FFFFFF", opacity="0.88"
    )
    return line, back + element("text", escape(text), x=x, y=y + 4, text_anchor="middle", fill="#222222")


def _on(points, t):
    """Point of a Bézier curve."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
    return tuple(sum(w * point[k] for w, point in zip(weights, points, strict=True)) for k in (0, 1))


def _free(place, size, taken):
    """Whether a rectangle overlaps none that is there."""
    return all(
        abs(place[0] - x) > (size[0] + width) / 2 or abs(place[1] - y) > (size[1] + height) / 2
        for x, y, width, height in taken
    )


def _markers():
    """Ends of arrows."""
    shapes = {
        "normal": element("path", d="M0 0L9 4.5L0 9z", fill="context-stroke"),
        "dot": element("circle", cx=4.5, cy=4.5, r=4, fill="context-stroke"),
        "tee": element("path", d="M6 0V9", stroke="context-stroke", stroke_width=2.5),
    }
    common = {"viewBox": "0 0 9 9", "refX": "5", "refY": "4.5", "markerWidth": "10", "markerHeight": "10"}
    markers = (
        element("marker", shape, id=name, orient="auto", markerUnits="userSpaceOnUse", **common)
        for name, shape in shapes.items()
    )
    return element("defs", "".join(markers))
