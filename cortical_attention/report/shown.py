"""What tokens stand for: images with their tags and answers, patches of an image, or words."""

from base64 import b64encode
from html import escape
from io import BytesIO

import numpy as np
from matplotlib.image import imsave

from cortical_attention.readout.formats import number
from cortical_attention.readout.style import ALGEBRA, CIRCUIT
from cortical_attention.report.markup import Html, element, framed, paragraph, section, table

SIDE = 200  # pixels of an image of patches
ANSWERS = ("right", CIRCUIT, ALGEBRA)


def shown_section(shown, attention=None, reference=None, name="shown", title="What was shown"):
    """The part of the page on what tokens stand for.

    Parameters
    ----------
    shown : dict
        Content of shown.json: `about`, a sentence; `tokens`, objects with `name` and, as it may be, `image` (rows of pixels
        from 0 to 1), `right`, `circuit` and `algebra` (answers); `context`, the same with `tag`, where tokens look at others
        than themselves; or `image`, of which the tokens are patches, with `patch` (pixels) and the answers.
    attention, reference : ndarray, (n_head, n_token, n_context), optional
    name, title : str
        Of the part.

    Returns
    -------
    str
    """
    parts = [paragraph(shown["about"])]
    if shown.get("image"):
        parts.append(_patches(shown))
    elif "image" in shown["tokens"][0]:
        parts.append(_questions(shown, attention, reference))
    else:
        parts.append(_list([each.get("label", each["name"]) for each in shown["tokens"]]))
    return section(name, title, *parts)


def _list(names):
    items = "".join(element("li", escape(each)) for each in names)
    return element("ol", items, class_="words", start=0, aria_label="Tokens in their order")


def _patches(shown):
    """An image cut into numbered patches, and its answers."""
    pixels = np.array(shown["image"])
    rows, columns = (size // shown["patch"] for size in pixels.shape)
    answers = "; ".join(f"{name}: {shown[name]}" for name in ANSWERS)
    lines = "".join(
        element("rect", x=x, y=y, width=1, height=1, fill="none", stroke="#D55E00", stroke_width=0.02)
        + element(
            "text",
            str(columns * y + x),
            x=x + 0.08,
            y=y + 0.3,
            font_size=0.26,
            fill="#8A3A00",
            stroke="#fff",
            stroke_width=0.08,
            paint_order="stroke",
        )  # legible on dark pixels too
        for y, x in np.ndindex(rows, columns)
    )
    image = f'<image href="{data_uri(pixels)}" width="{columns}" height="{rows}" style="image-rendering:pixelated"/>'
    name = f"Image of {len(pixels)} rows of {len(pixels[0])} pixels, cut into {rows * columns} numbered patches"
    svg = element(
        "svg", image + lines, viewBox=f"0 0 {columns} {rows}", width=SIDE, height=SIDE, role="img", aria_label=name
    )
    return framed(svg, name, f"Answer: {answers}.")


def _questions(shown, attention, reference):
    """Table of the questions with their answers and, where attention is known, of where each looks among the examples."""
    context = shown.get("context") or shown["tokens"]
    heads = ["question", "image", "right tag", CIRCUIT, ALGEBRA]
    rows = [
        [str(k), Html(_image(each)), *(_answer(each, name) for name in ANSWERS)]
        for k, each in enumerate(shown["tokens"])
    ]
    if attention is None or reference is None:
        return table("Questions and answers", heads, rows)
    heads += [Html(_image(each) + element("b", escape(each.get("tag", "")))) for each in context]
    for row, *looks in zip(rows, attention.mean(axis=0), reference.mean(axis=0), strict=True):
        row += [_weights(each, *pair) for each, *pair in zip(context, *looks, strict=True)]
    mean = f" (mean over {len(attention)} heads)" if len(attention) > 1 else ""
    said = (
        f"Columns with images are examples with their tags: attention of the circuit above, of the algebra below{mean}."
    )
    found = table("Questions, answers, and where each looks", heads, rows)
    return element("div", found + element("p", said, class_="hint"), class_="looks")


def _answer(token, name):
    """An answer; a wrong one says so."""
    wrong = name != "right" and token[name] != token["right"]
    return Html(element("b", escape(token[name])) + (" wrong" if wrong else ""))


def _weights(example, circuit, algebra):
    """Attention of circuit and algebra on an example; the stronger, the darker."""
    shades = ((circuit, "circuit"), (algebra, "algebra"))
    cells = (
        element("span", number(float(value), 2), class_="weight", title=f"{who}, {example['name']}",
                style=f"background:rgba(0,114,178,{np.clip(value, 0, 1) * 0.55:.2f})")
        for value, who in shades
    )  # fmt: skip
    return Html("".join(cells))


def _image(item):
    """An image of a few pixels, shown larger."""
    return f'<img class="digit" src="{data_uri(np.array(item["image"]))}" alt="image of {escape(item["name"], quote=True)}">'


def data_uri(pixels):
    """Grey levels, (n_row, n_column) from 0 (white) to 1 (black), as the address of a PNG that is in the page itself."""
    file = BytesIO()
    imsave(file, pixels, cmap="gray_r", vmin=0, vmax=1, format="png")
    return png_uri(file.getvalue())


def png_uri(content):
    """Bytes of a PNG as the address of an image that is in the page itself."""
    return f"data:image/png;base64,{b64encode(content).decode()}"
