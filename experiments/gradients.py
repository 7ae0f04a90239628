"""Equations 2 to 5 of the paper for a case of your own: energy and gradients, checked by central differences.

Question: what are the derivatives of the squared error of an attention block with respect to each of its weights, and are
the paper's equations 2 to 5 the derivatives of its equation 1?

Prediction: every entry of all four gradients agrees with a central difference of the energy to 1e-5 of the largest.

Reference: Granier & Senn (2025), equations 1 to 5; `reference.gradients`, against differences of
`reference.linear_attention`.

Run time: a second, without a simulation; a minute for 10,000 weights.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import DONE, FAILED, INTERRUPTED, script
from cortical_attention.inputs.cases import CaseError, load, sizes
from cortical_attention.readout.files import replacing
from cortical_attention.readout.formats import number
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.gradients import gradients
from cortical_attention.trials.batch import Prediction
from cortical_attention.trials.pictures import against
from cortical_attention.trials.results import content_of, open_folder

# Parameters
TOLERANCE = 1e-5  # of the largest entry of a gradient
STEP = 6e-6  # chosen: the cube root of the rounding error, where that and the curvature of the energy cost alike
ROUNDINGS = 64  # chosen: roundings of size eps in a sum of some thousand terms
WEIGHTS = ("W_Q", "W_K", "W_V", "W_O")


# Reference
def asked(case, options):
    """Further arguments of the algebra for a case, besides tokens and block."""
    normalised = options.normaliser is not None
    return {"context": case.context, "mask": case.mask, "kernel": options.kernel, "normalised": normalised}


def derive(case, options):
    """Energy and gradients of a case (reference.gradients.Gradients).

    Raises
    ------
    CaseError
        If the case has no targets, or numbers so large that its energy or gradients overflow.
    """
    if case.targets is None:
        shape = tuple(sizes(case)[axis] for axis in ("n_token", "d_model"))
        raise CaseError(f"targets: is missing but gradients need it, (n_token, d_model) = {shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        found = gradients(case.tokens, case.targets, case.block, **asked(case, options))
    if not all(np.isfinite(each).all() for each in found):
        raise CaseError(f"{case.name}: holds numbers so large that gradients overflow, but needs a finite answer")
    return found


def steps_of(case, name):
    """Step of the differences in every entry of a weight.

    The energy is quadratic in W_V and in W_O, so that any step is exact but for rounding: that of the largest entry. A
    drive W_Q x or W_K x moves by `STEP` of itself, or of one.
    """
    weight = np.abs(getattr(case.block, name))
    if name in ("W_V", "W_O"):
        return np.full(weight.shape, 1e-2 * weight.max() or 1.0)
    largest = max(np.abs(each).max() for each in (case.tokens, case.context) if each is not None)
    return STEP * np.maximum(weight, 1 / largest if largest else 1.0)


def differences(case, name, options, step_done=lambda: None):
    """Central differences of the energy in every entry of the weight `name`; `step_done` is called after each."""
    weight, steps = getattr(case.block, name), steps_of(case, name)
    found = np.empty(weight.shape)
    for place in np.ndindex(weight.shape):
        outputs = []
        for sign in (1, -1):
            shifted = weight.copy()
            shifted[place] += sign * steps[place]
            block = case.block._replace(**{name: shifted})
            outputs.append(linear_attention(case.tokens, block, **asked(case, options)).output)
        above, below = outputs
        # E+ - E- written as a product, so that a large energy does not cancel
        found[place] = np.sum((above - below) * (0.5 * (above + below) - case.targets)) / (2 * steps[place])
        step_done()
    return found


def check(case, options, report=None):
    """Compare every gradient with central differences.

    Returns
    -------
    numeric : dict of str to ndarray
        By weight, as far as no interruption came.
    interrupted : bool
    """
    numeric, count = {}, 0
    total = sum(getattr(case.block, name).size for name in WEIGHTS)

    def step_done():
        """Report every 64th of the differences."""
        nonlocal count
        count += 1
        if report is not None and count % 64 == 0:
            report(None, count / total, None, None)

    try:
        for name in WEIGHTS:
            numeric[name] = differences(case, name, options, step_done)
    except KeyboardInterrupt:
        return numeric, True
    return numeric, False


def hidden(output, targets, step):
    """Size of a derivative that rounding, and the curvature within a step, hide in a central difference.

    A gradient that is zero, such as that of a single token's query, has only this to be held to.
    """
    largest, error = np.abs(output).max(), np.abs(targets - output).sum()
    return ROUNDINGS * (np.finfo(float).eps * largest * error + STEP**3 * largest**2) / step


def row(name, case, found, numeric, options):
    """Largest entry of one gradient, its position, and its difference from the central differences."""
    gradient = getattr(found, f"dE_d{name}")
    place = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
    off = None
    if numeric is not None:
        output = linear_attention(case.tokens, case.block, **asked(case, options)).output
        size = max(np.abs(numeric).max(), hidden(output, case.targets, steps_of(case, name).min()) / TOLERANCE)
        off = float(np.abs(gradient - numeric).max() / size) if size else 0.0
    return {
        "gradient": f"dE_d{name}",
        "largest": float(gradient[place]) + 0.0,
        "at": [int(index) for index in place],
        "parameters": gradient.size,
        "relative_error": off,
    }


def judge(rows):
    """The prediction, on the gradients that were checked."""
    errors = [each["relative_error"] for each in rows if each["relative_error"] is not None]
    if not errors:
        return []
    words = f"agreement with central differences to {TOLERANCE:.0e}"
    return [Prediction(words, f"{max(errors):.1e}", max(errors) <= TOLERANCE)]


# Figure
def draw(found, numeric):
    """Every entry of the gradients over its central difference."""
    series = {f"dE/d{name}": (each, getattr(found, f"dE_d{name}")) for name, each in numeric.items()}
    return against(series, "central difference", "equations 2 to 5")


def _table(rows, found):
    table = Table("gradient", "parameters", "largest entry", "at", "error", title=f"energy {found.energy:.6g}")
    for each in rows:
        place = ", ".join(map(str, each["at"]))
        table.add_row(
            each["gradient"], str(each["parameters"]), number(each["largest"], 5), f"[{place}]",
            number(each["relative_error"]),
        )  # fmt: skip
    return table


@with_output
def main(
    case: Annotated[Path, typer.Argument(help="An .npz or .safetensors file with tokens, weights and targets.")],
    kernel: o.Kernel = "elu+1",
    unnormalised: o.Unnormalised = False,
    *,
    output: Output,
):
    """Derive the squared error of a case in its weights."""
    options, loaded = o.check(kernel=kernel, unnormalised=unnormalised), load(case)
    found = derive(loaded, options)
    for notice in loaded.notices:
        output.console.print(f"notice: {notice}", highlight=False)
    folder = open_folder("gradients", options, content_of(loaded), output.out, output.overwrite, output.about)
    with replacing(folder / "gradients.npz") as part:
        np.savez(part, **found._asdict())
    with output.progress("central differences") as report:
        numeric, interrupted = check(loaded, options, report)
    rows = [row(name, loaded, found, numeric.get(name), options) for name in WEIGHTS]
    result = {"energy": found.energy, "kernel": kernel, "rows": rows, "interrupted": interrupted}
    parameters = {"kernel": kernel, "normalised": not unnormalised, "step": STEP, "tolerance": TOLERANCE}
    content = output.provenance(parameters, {})
    figure, predictions = draw(found, numeric) if numeric else None, judge(rows)
    output.report("gradients", folder, result, figure, content, _table(rows, found), predictions)
    if interrupted:
        return INTERRUPTED
    return DONE if all(each.held for each in predictions) else FAILED


if __name__ == "__main__":
    script(main)
