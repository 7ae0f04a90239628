"""Circuits with learnt weights read handwritten digits; this cannot show that they match keys with queries (`match` does).

Question: do circuits wired with attention weights learnt by the paper's own gradients (equations 2 to 5) read handwritten
digits as the algebra does?

Prediction: the rate form reproduces the output of the algebra to 1e-6 and all its predictions. The spiking form, with
counts over two seconds, reproduces it to 2.5 per cent on each image, and the prediction of the algebra on at least 98 of
100 images.

Reference: Granier & Senn (2025), Algorithm 1; `reference.linear_attention` on the same tokens and weights, trained by
`experiments.train_digits`. Each test image is 16 tokens of 2 x 2 pixels and a position code.

Found: `--form spiking --duration 6` reproduces each image to 1 per cent.

Run time: about two minutes for 20 images in both forms.
"""

from functools import partial
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from cortical_attention.command import options as o
from cortical_attention.command.forms import conclude, in_each_form
from cortical_attention.command.output import Output, with_output, without_output
from cortical_attention.command.status import script
from cortical_attention.command.tables import judgement
from cortical_attention.inputs.digits import N_PIXEL, digit_cases, load_digits_tokens, predict, split
from cortical_attention.readout.files import write_array, write_json
from cortical_attention.readout.formats import number, per_cent
from cortical_attention.readout.maps import attention_over_digit
from cortical_attention.readout.names import SHOWN
from cortical_attention.readout.statistics import summary_of_known
from cortical_attention.readout.style import save
from cortical_attention.trials.batch import Prediction
from cortical_attention.trials.many import compare_many
from cortical_attention.trials.results import content_of, write_comparison, write_run

BOUNDS = {"rate": (1e-6, 1.0), "spiking": (0.025, 0.98)}  # relative L2, and share of the same predictions
COLUMNS = (
    "relative_l2", "skill", "uniform_relative_l2", "key_only_relative_l2", "additive_relative_l2", "query_identification",
)  # fmt: skip


@with_output
def main(
    images: Annotated[int, typer.Option(help="Number of test images, 1 to 360.")] = 20,
    form: Annotated[
        str, typer.Option(help="Form of the cells: rate, dale, spiking, adaptive, or both (rate and spiking).")
    ] = "both",
    wiring: o.Wiring = "mask",
    duration: o.Duration = None,
    settle: o.Settle = None,
    dt: o.Dt = None,
    cells: o.Cells = 1,
    unit_rate: o.UnitRate = 100.0,
    target: o.Target = "auto",
    seed: o.Seed = 0,
    record: o.Record = "sample",
    *,
    output: Output,
):
    """Read handwritten digits."""
    given = locals()
    o.within("--images", images, 1, 360)
    forms = ("rate", "spiking") if form == "both" else (form,)
    every = {each: o.check(**given | {"form": each}) for each in forms}
    _, labels, pictures = load_digits_tokens()
    chosen = split(labels)[1][:images]
    cases = digit_cases(images)
    output.check()

    def write(compared, options, folder):
        """Files of one form."""
        _write(compared, options, cases[0], pictures[chosen[0]], labels[chosen[0]], folder)

    results, status, folder = in_each_form(
        "digits", every, output, f"{images} digits, {wiring} wiring", partial(compare_many, cases), write,
        {"images": images, **content_of(cases[0])},
    )  # fmt: skip
    result = summarise(results, labels[chosen])
    table, more = _table(result), partial(_say_more, results)
    return conclude("digits", result, table, more, judge(result), status, folder, output, without_output(given))


def outputs(compared):
    """Answers of the circuit and of the algebra, (n_image, n_token, d_model) each, of the images that were finished."""
    finished = [each for each in compared if each.output is not None]
    return np.array([each.output for each in finished]), np.array(
        [each.reference.attention.output for each in finished]
    )


def summarise(results, labels):
    """Accuracy, agreement with the algebra, errors and wall time of each form."""
    summaries = {}
    for form, compared in results.items():
        answers, algebra = outputs(compared)
        if not len(answers):
            continue
        truth, read, right = labels[: len(answers)], predict(answers), predict(algebra)
        reports = [each.report for each in compared[: len(answers)]]
        spread = {name: summary_of_known(report[name] for report in reports)._asdict() for name in COLUMNS}
        runs = {id(each.answer): each.answer.run for each in compared}.values()
        summaries[form] = {
            "images": len(answers),
            "accuracy": float(np.mean(read == truth)),
            "accuracy_of_the_algebra": float(np.mean(right == truth)),
            "same_prediction": int(np.sum(read == right)),
            **spread,
            "settled": sum(report["settled"] for report in reports),
            "highest_rate_hz": max(max(report["peak_rate_hz"].values()) for report in reports)
            if compared[0].run.records[0].spike_index is not None
            else None,
            "wall_s": sum(each.wall for each in runs),
        }
    return summaries


def judge(result):
    """The predictions, on the images that were read."""
    found = []
    for form in (form for form in BOUNDS if form in result):
        each, (bound, least) = result[form], BOUNDS[form]
        worst, same = each["relative_l2"]["highest"], each["same_prediction"] / each["images"]
        said = f"{form} form: a relative L2 of at most {per_cent(bound)} on each of {each['images']} images"
        found.append(Prediction(said, per_cent(worst), worst <= bound))
        said = f"{form} form: the algebra's prediction on at least {per_cent(least)} of them"
        found.append(Prediction(said, per_cent(same), same >= least))
    return found


def _table(result):
    table = Table("", *(f"{form} form" for form in result), title="handwritten digits the circuit was not trained on")
    rows = {
        "images": lambda each: str(each["images"]),
        "accuracy of the algebra": lambda each: per_cent(each["accuracy_of_the_algebra"]),
        "accuracy of the circuit": lambda each: per_cent(each["accuracy"]),
        "same prediction as the algebra": lambda each: f"{each['same_prediction']} of {each['images']}",
        "relative L2, median": lambda each: per_cent(each["relative_l2"]["median"]),
        "relative L2, range": lambda each: _range(each["relative_l2"], per_cent),
        "best null: query ignored, median": lambda each: per_cent(each["key_only_relative_l2"]["median"]),
        "skill over the best null, median": lambda each: number(each["skill"]["median"]),
        "skill, range": lambda each: _range(each["skill"], number),
        "queries identified": lambda each: per_cent(each["query_identification"]["median"]),
        "highest rate of a cell (Hz)": lambda each: number(each["highest_rate_hz"], 4),
        "settled": lambda each: f"{each['settled']} of {each['images']}",
        "wall time (s)": lambda each: number(each["wall_s"]),
    }
    for name, cell in rows.items():
        table.add_row(name, *(cell(each) for each in result.values()))
    return table


def _say_more(results, console):
    """Print of each form whether the circuit settled."""
    for form, compared in results.items():
        console.print(f"{form} form, first image: {'; '.join(judgement(compared[0].report))}", highlight=False)


def _range(values, show):
    return f"{show(values['lowest'])} to {show(values['highest'])}"


def _write(compared, options, case, picture, label, folder):
    """Files of one form: all of the first image, as `compare` writes them; figures and answers of every comparison."""
    first = compared[0]
    write_run(first.answer, options, case, folder)
    write_json(folder / "comparisons.json", [each.report for each in compared])
    write_comparison(first, folder)
    if first.answer.output is not None:
        answers, algebra = outputs(compared)
        write_array(folder / "outputs.npy", answers)
        write_array(folder / "references.npy", algebra)
        write_json(folder / SHOWN, _shown(picture, label, answers[0], algebra[0]))
        if first.answer.attention is not None and first.reference.attention.kappa is not None:
            kappa = first.attention
            save(attention_over_digit(picture, kappa, first.reference.attention.kappa), folder / "attention.png")


def _shown(picture, label, answer, algebra):
    """An image, its class and its answers, for its page (dict)."""
    tokens = [{"name": f"patch {k}"} for k in range(len(answer))]
    said = {"right": str(label), "circuit": str(predict(answer)), "algebra": str(predict(algebra))}
    about = "The first image. Each token is one of its patches, and the code of its place; every patch looks at all patches."
    return {"about": about, "tokens": tokens, "image": picture, "patch": N_PIXEL, **said}


if __name__ == "__main__":
    script(main)
