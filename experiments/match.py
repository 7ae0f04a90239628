"""Cortico-thalamic circuits match images by example, in rates and in spikes: a task that needs the query.

Question: asked for the tag of an image that was given only with other images of its class, do circuits with trained weights
look it up as the algebra does?

Prediction: the rate form reproduces the output of the algebra to 1e-6. The spiking form, calibrated on other sequences and
counting over two seconds, has a skill of at least 0.98 and the algebra's answer to at least 98 of 100 questions. Every
answer that ignores the query is right on exactly one question in four: it is the same for all questions of a sequence, and
each tag is right for two of eight (`inputs.match`).

Reference: Granier & Senn (2025), Algorithm 1; `reference.linear_attention` with the weights of `experiments.train_match`.
The images of the test sequences were not used in training, nor in calibration.

Run time: half a minute for 10 sequences in both forms.
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
from cortical_attention.inputs.digits import load_digits_tokens
from cortical_attention.inputs.match import HEADS, answered, match_cases, right_items
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.files import write_json
from cortical_attention.readout.formats import number, per_cent
from cortical_attention.readout.looking import LETTERS, looking
from cortical_attention.readout.names import SHOWN
from cortical_attention.readout.provenance import jsonable
from cortical_attention.readout.statistics import summary_of_known
from cortical_attention.readout.style import CYCLE, new_figure, save, style
from cortical_attention.trials.batch import Prediction
from cortical_attention.trials.many import compare_many
from cortical_attention.trials.results import content_of, write_comparison, write_run
from cortical_attention.trials.systems import NULLS

BOUNDS = {"rate": 1e-6, "spiking": 0.98}  # relative L2 on each; median skill, and share of the algebra's answers
CHANCE = 0.25
MEDIANS = "relative_l2", "relative_l2_by_design", "skill"


@with_output
def main(
    sequences: Annotated[int, typer.Option(help="Number of test sequences of eight questions each.")] = 10,
    form: Annotated[str, typer.Option(help="Forms of the cells, comma-separated.")] = "rate,spiking",
    heads: Annotated[int, typer.Option(help="Number of heads of the trained block: 1 or 2.")] = 1,
    wiring: o.Wiring = "mask",
    normaliser: o.Normaliser = "pi",
    synapses: o.Synapses = o.DEFAULT,
    duration: o.Duration = None,
    settle: o.Settle = None,
    dt: o.Dt = None,
    cells: o.Cells = 1,
    unit_rate: o.UnitRate = 100.0,
    target: o.Target = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the sequences, of initial membrane states and of noise.")] = 0,
    record: o.Record = "sample",
    replicas: o.Replicas = 1,
    *,
    output: Output,
):
    """Match images by example."""
    given = locals()
    o.within("--sequences", sequences, 1, 10000)
    o.within("--heads", heads, *HEADS)
    every = {each: o.check(**given | {"form": each}) for each in form.split(",")}
    _check_nulls(wiring, every)
    cases, drawn = match_cases(sequences, seed, heads)
    output.check()

    def write(compared, options, folder):
        """Files of one form."""
        _write(compared, options, cases[0], drawn, folder)

    results, status, folder = in_each_form(
        "match", every, output, f"{sequences} sequences, {wiring} wiring", partial(compare_many, cases), write,
        {"sequences": sequences, **content_of(cases[0])},
    )  # fmt: skip
    result = summarise(results, drawn)
    if any(curves_of(each, drawn) for each in results.values()):
        save(draw_curves(results, drawn), folder / "over_time.png")
    table, more = _table(result), partial(_say_more, results)
    return conclude("match", result, table, more, judge(result), status, folder, output, without_output(given))


def _check_nulls(wiring, every):
    """Refuse a wiring without the algebra or the nulls that the task is about (OptionError)."""
    for options in every.values():
        if not NULLS.keys() <= options.system.nulls.keys():
            raise o.OptionError(
                f"--wiring is '{wiring}' but needs one that is compared with the nulls {', '.join(NULLS)}"
            )


# Reference
def outputs(compared):
    """Answers of the circuit, of the algebra and of each null (dict of ndarray (n_sequence, 8, 16)), of finished runs."""
    finished = [each for each in compared if each.output is not None]
    found = {"circuit": np.array([each.output for each in finished])}
    found["algebra"] = np.array([each.reference.attention.output for each in finished])
    nulls = compared[0].reference.nulls
    return found | {name: np.array([each.reference.nulls[name] for each in finished]) for name in nulls}


def attention_on_match(compared, drawn):
    """Attention of the circuit on the examples with the right tag, mean over heads and questions; None without attention."""
    if compared[0].answer.attention is None:
        return None
    kappa = np.array([each.attention for each in compared])
    return float((kappa * right_items(drawn)[: len(kappa), None]).sum(axis=-1).mean())


def summarise(results, drawn):
    """What scripts rely on, by form."""
    summaries = {}
    for form, compared in results.items():
        found = outputs(compared)
        n = len(found["circuit"])
        if not n:
            continue
        labels, said = drawn.labels[:n], {name: answered(each) for name, each in found.items()}
        accuracy = {name: float(np.mean(each == labels)) for name, each in said.items()}
        reports = [each.report for each in compared[:n]]
        summaries[form] = {
            "sequences": n,
            "accuracy_algebra": accuracy.pop("algebra"),
            "accuracy_circuit": accuracy.pop("circuit"),
            "accuracy_nulls": accuracy,
            "same_answer": float(np.mean(said["circuit"] == said["algebra"])),
            "attention_on_match": attention_on_match(compared[:n], drawn),
            **{name: summary_of_known(each[name] for each in reports).median for name in MEDIANS},
            "relative_l2_largest": max(each["relative_l2"] for each in reports),
            "query_identification": float(np.mean([each["query_identification"] for each in reports])),
            "settled": sum(each["settled"] for each in reports),
            "wall_s": sum(run.wall for run in {id(each.answer): each.answer.run for each in compared}.values()),
        }
    return jsonable(summaries)


def judge(result):
    """The predictions."""
    found = []
    for form, each in result.items():
        nulls = each["accuracy_nulls"]
        ignoring = [nulls[name] for name in ("uniform", "key_only")]
        said = "answers that ignore the query are right on exactly one question in four"
        exact = all(each == CHANCE for each in ignoring)
        found.append(Prediction(f"{form} form: {said}", ", ".join(map(per_cent, ignoring)), exact))
        if form == "rate":
            worst = each["relative_l2_largest"]
            found.append(Prediction("rate form: a relative L2 of at most 1e-6", f"{worst:.1e}", worst <= BOUNDS[form]))
        if form == "spiking":
            for name, words in (("skill", "a median skill"), ("same_answer", "a share of the algebra's answers")):
                held = each[name] >= BOUNDS[form]
                found.append(Prediction(f"spiking form: {words} of at least 0.98", number(each[name]), held))
    return found


# Figure
def curves_of(compared, drawn):
    """Times (s) from the onset of the tokens, relative L2 and accuracy of the circuit in each phase; None if interrupted."""
    plan = compared[0].answer.plan
    if plan.protocol.token_of is not None or any(each.output is None for each in compared):
        return None
    read = np.stack([each.run.values[plan.output.population][:, each.index] for each in compared], axis=1)
    right = np.array([each.reference.attention.output for each in compared])
    phase = float(plan.protocol.phase)
    errors = [np.median([relative_l2(*pair) for pair in zip(each, right, strict=True)]) for each in read]
    accuracy = [np.mean(answered(each) == drawn.labels) for each in read]
    return phase * np.arange(1, len(read) + 1), np.array(errors), np.array(accuracy)


def draw_curves(results, drawn):
    """Error and accuracy in each phase from the onset of the tokens on, beside the nulls."""
    with style():
        figure = new_figure(3.8)
        left, right = figure.subplots(1, 2)
        for k, (form, compared) in enumerate(results.items()):
            curves = curves_of(compared, drawn)
            if curves:
                left.plot(
                    curves[0], curves[1], "o-", color=CYCLE[k], label=f"{form} form, in phases of {curves[0][0]:.3g} s"
                )
                right.plot(curves[0], curves[2], "o-", color=CYCLE[k])
        compared = next(iter(results.values()))
        null = min(
            np.median([each.report[f"{name}_relative_l2"] for each in compared]) for name in compared[0].reference.nulls
        )
        left.axhline(null, color="#777777", linestyle="--", label="best null")
        right.axhline(CHANCE, color="#777777", linestyle="--", label="answers that ignore the query")
        algebra = np.mean(answered(outputs(compared)["algebra"]) == drawn.labels)
        right.axhline(algebra, color="#000000", linestyle=":", label="algebra")
        left.set(yscale="log", xlabel="time from onset of the tokens (s)", ylabel="relative L2 error, median")
        right.set(ylim=(0, 1.03), xlabel="time from onset of the tokens (s)", ylabel="right answers")
        left.legend()
        right.legend(loc="lower right")
    return figure


BY_DESIGN = "relative L2 by design, median"  # a row of the table where there are replicas


def _table(result):
    table = Table("", *(f"{form} form" for form in result), title="images matched by example")
    rows = {
        "sequences, questions": lambda each: f"{each['sequences']}, {8 * each['sequences']}",
        "right answers of the algebra": lambda each: per_cent(each["accuracy_algebra"]),
        "right answers of the circuit": lambda each: per_cent(each["accuracy_circuit"]),
        "of nulls: uniform, key only, additive": lambda each: ", ".join(map(per_cent, each["accuracy_nulls"].values())),
        "the algebra's answer": lambda each: per_cent(each["same_answer"]),
        "attention on the right examples": lambda each: number(each["attention_on_match"]),
        "relative L2, median": lambda each: per_cent(each["relative_l2"]),
        BY_DESIGN: lambda each: per_cent(each["relative_l2_by_design"]),
        "relative L2, largest": lambda each: per_cent(each["relative_l2_largest"]),
        "skill over the best null, median": lambda each: number(each["skill"]),
        "queries identified": lambda each: per_cent(each["query_identification"]),
        "settled": lambda each: f"{each['settled']} of {each['sequences']}",
        "wall time (s)": lambda each: number(each["wall_s"]),
    }
    if all(each["relative_l2_by_design"] is None for each in result.values()):
        del rows[BY_DESIGN]
    for name, cell in rows.items():
        table.add_row(name, *(cell(each) for each in result.values()))
    return table


def _say_more(results, console):
    """Print of each form whether the circuit settled."""
    for form, compared in results.items():
        console.print(f"{form} form, first sequence: {'; '.join(judgement(compared[0].report))}", highlight=False)
        for k, each in enumerate(compared[1:], 2):
            if not each.report["settled"]:
                console.print(f"{form} form, sequence {k}: {'; '.join(judgement(each.report))}", highlight=False)


def _write(compared, options, case, drawn, folder):
    """Files of one form: all of the first sequence, as `compare` writes them, and the figures of every comparison."""
    first = compared[0]
    write_run(first.answer, options, case, folder)
    write_json(folder / "comparisons.json", [each.report for each in compared])
    write_comparison(first, folder)
    if first.answer.output is None:
        return
    pictures = load_digits_tokens()[2]
    answers = answered(first.output), answered(first.reference.attention.output)
    shown = pictures[drawn.questions[0]], pictures[drawn.examples[0]], drawn.labels[0], drawn.tags[0]
    write_json(folder / SHOWN, _shown(*shown, answers))
    if first.answer.attention is not None and first.reference.attention.kappa is not None:
        kappa = first.attention, first.reference.attention.kappa
        save(looking(*shown, answers, *kappa), folder / "attention.png")


def _shown(questions, examples, labels, tags, answers):
    """Images, tags and answers of a sequence, for its page (dict)."""
    asked = zip(questions, labels, *answers, strict=True)
    return {
        "about": "Each question is an image; its tag is that of the examples of the same class. This is the first sequence.",
        "tokens": [
            {"name": f"question {k}", "label": f"{k} {LETTERS[right]}", "image": image, "right": LETTERS[right],
             "circuit": LETTERS[circuit], "algebra": LETTERS[algebra]}
            for k, (image, right, circuit, algebra) in enumerate(asked)
        ],
        "context": [
            {"name": f"example {k} with tag {LETTERS[tag]}", "label": f"{k} {LETTERS[tag]}", "image": image,
             "tag": LETTERS[tag]}
            for k, (image, tag) in enumerate(zip(examples, tags, strict=True))
        ],
    }  # fmt: skip


if __name__ == "__main__":
    script(main)
