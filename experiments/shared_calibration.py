"""One calibration for many blocks: what it costs beside one for each.

Question: how much larger is the error of a circuit whose currents and unit rates are set once for all the blocks of a
size and sharpness, on calibration sequences of all of them, than that of a circuit that is set on those of its own block?

Prediction: written before the run, after a static model of other code that left 6.2, 7.4 and 10.2 per cent at scales 1,
2 and 3 with one map for all blocks. The median ratio of both errors, over the sizes and scales that run, is at most
1.5, by the upper bound of its interval: of idealised spikes and of adaptive cells, whose rates come less near to the
ceiling, and of biophysical cells, whose currents are fitted to a broader distribution. That the bound is judged by the
interval was settled after a trial of two weight sets of four tokens.

Reference: `reference.linear_attention` on the first weight sets and held-out sequences of the ladder's design. Both
circuits answer the same sequences with the same noise, and none of these is a calibration sequence. Intervals are of
the median of the ratio, over weight sets and sequences (`readout.mixed`); they hold for the blocks that share the
calibration. Every tested block is one of these: what a circuit does with a block that it was not set on is not asked.

Run time: eleven minutes for idealised spikes on two cores; longer for adaptive and much longer for biophysical cells.
"""

from functools import cache, partial
from itertools import product
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from cortical_attention.command import options as o
from cortical_attention.command.heads import executor_of
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_by
from cortical_attention.readout import mixed
from cortical_attention.readout.formats import number
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.batch import Prediction, ask, collected
from cortical_attention.trials.calibration import calibrate_cases
from cortical_attention.trials.comparison import figures_of, reference_for
from cortical_attention.trials.design import DESIGN, drawn
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
FORMS = "spiking", "adaptive", "biophysical"
OWN, SHARED = "own", "shared"
TIMES = 1.5  # at most
TICKS = 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 20, 30, 50, 100  # per cent
MEASURES = "relative_l2", "query_identification"


class Job(NamedTuple):
    """A weight set of a size and scale, in cells of one form."""

    form: str
    tokens: int
    scale: int
    weights: int

    @property
    def name(self):
        """Name in messages."""
        return f"{self.form}, n{self.tokens} scale {self.scale}, weight set {self.weights}"


# Protocol
def jobs(forms, tokens, weights):
    """Every form at every size, up to a number of tokens, every scale and weight set (list of Job)."""
    sizes = [n for n in DESIGN["tokens"] if n <= tokens]
    return [Job(*each) for each in product(forms, sizes, DESIGN["scales"], range(weights))]


def options_of(form, given):
    """Options of a form, with the cells per value and the window of the protocol."""
    of_form = PROTOCOL.get(form, {})
    cells, duration = of_form.get("cells", 1), of_form.get("duration")
    return o.check(form=form, cells=cells, duration=duration, record="sample", **given)


@cache
def shared_by(form, tokens, scale, weights, given):
    """Calibration on the sequences of all weight sets; `given` as a tuple of pairs."""
    blocks = [drawn(tokens, scale, k, 1) for k in range(weights)]
    return calibrate_cases([block.cases[0] for block in blocks], options_of(form, dict(given)))


def rows_of(job, given, weights, sequences, report=None):
    """Answers of both circuits to every sequence of a job's weight set (list of dict)."""
    options, block = options_of(job.form, given), drawn(job.tokens, job.scale, job.weights, sequences)
    shared = shared_by(job.form, job.tokens, job.scale, weights, tuple(given.items()))
    references, rows = [reference_for(case, options) for case in block.cases], []
    for name, calibration in ((OWN, None), (SHARED, shared)):
        answer = ask(block.cases, options, report, calibration)
        if answer.output is None:
            raise KeyboardInterrupt
        about = {"form": job.form, "setting": block.setting, "weights": block.weights, "calibration": name}
        for k, (case, reference) in enumerate(zip(block.cases, references, strict=True)):
            figures = figures_of(answer.output[k], None, reference)
            measured = {each: figures[each] for each in MEASURES}
            rows.append({**about, "case": case.name, **measured, "settled": bool(answer.settled.settled[k])})
    return rows


# Reference
def summarise(rows):
    """Medians of each form at each size and scale, and of all of them ("all"), and the ratio of errors (list of dict)."""
    found = []
    for form in dict.fromkeys(row["form"] for row in rows):
        own = [row for row in rows if row["form"] == form]
        ratios = ratios_of(own)
        fit = mixed.mixed(
            *([each[name] for each in ratios] for name in ("times", "setting", "weights", "case")),
            **PROTOCOL["intervals"],
        )
        parts = {name: [row for row in own if row["setting"] == name] for name in fit.settings}
        found += [_summary(form, name, part, fit.settings[name]) for name, part in parts.items()]
        found.append(_summary(form, "all", own, fit.overall))
    return found


def ratios_of(rows):
    """Error with the shared calibration over that with the block's own, of every sequence (list of dict)."""
    errors = {(row["calibration"], row["case"]): row["relative_l2"] for row in rows}
    return [
        {**row, "times": row["relative_l2"] / errors[OWN, row["case"]]} for row in rows if row["calibration"] == SHARED
    ]


def _summary(form, setting, rows, times):
    found = {"form": form, "setting": setting, "times": times.median, "times_interval": [times.low, times.high]}
    for name in (OWN, SHARED):
        part = [row for row in rows if row["calibration"] == name]
        found[name] = {
            "relative_l2": float(np.median([row["relative_l2"] for row in part])),
            "query_identification": float(np.mean([row["query_identification"] for row in part])),
            "settled": sum(row["settled"] for row in part), "answers": len(part),
        }  # fmt: skip
    return found


def judge(summaries):
    """The prediction, for each form."""
    return [
        Prediction(
            f"{each['form']}: a median of at most {TIMES} times the error, by its interval",
            f"{_times(each)} times, over {sum(one['form'] == each['form'] for one in summaries) - 1} sizes and scales",
            (each["times_interval"][1] or np.inf) <= TIMES,
        )
        for each in summaries
        if each["setting"] == "all"
    ]


def _times(summary):
    low, high = summary["times_interval"]
    return number(summary["times"]) + ("" if low is None else f" ({number(low)} to {number(high)})")


# Figure
def draw(rows):
    """Error with the shared calibration against that with the block's own, a panel a form."""
    forms = list(dict.fromkeys(row["form"] for row in rows))
    with style():
        figure = new_figure(4.0, width=4.2 * len(forms) + 0.6)
        for panel, form in zip(figure.subplots(1, len(forms), squeeze=False)[0], forms, strict=True):
            own = [row for row in rows if row["form"] == form]
            for k, setting in enumerate(dict.fromkeys(row["setting"] for row in own)):
                pairs = [each for each in ratios_of(own) if each["setting"] == setting]
                shared = [100 * each["relative_l2"] for each in pairs]
                alone = [100 * each["relative_l2"] / each["times"] for each in pairs]
                panel.plot(alone, shared, MARKERS[k], color=CYCLE[k], alpha=0.7, label=setting)
            ends = [100 * operation(row["relative_l2"] for row in own) for operation in (min, max)]
            panel.plot(ends, ends, color="#777777", zorder=1)
            panel.set(xscale="log", yscale="log", title=form, xlabel="relative L2, a calibration for each (%)")
            inside = [tick for tick in TICKS if ends[0] / 1.2 <= tick <= 1.2 * ends[1]]
            panel.set_xticks(inside, map(str, inside))
            panel.set_yticks(inside, map(str, inside))
            panel.minorticks_off()
        figure.axes[0].set_ylabel("relative L2, one calibration for all (%)")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3 * len(forms))
    return figure


def _table(summaries):
    table = Table(
        *(Column(name, no_wrap=True) for name in ("form", "setting", "own", "shared", "times (95 %)", "settled")),
        title="one calibration for each block, and one for all: median relative L2 / queries identified (%)",
        box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False, collapse_padding=True,
    )  # fmt: skip
    for each in summaries:
        both = [each[name] for name in (OWN, SHARED)]
        shown = (f"{100 * one['relative_l2']:.2f} / {100 * one['query_identification']:.0f}" for one in both)
        settled, answers = (sum(one[key] for one in both) for key in ("settled", "answers"))
        table.add_row(each["form"], each["setting"], *shown, _times(each), f"{settled}/{answers}")
    return table


@with_output
def main(
    form: Annotated[str, typer.Option(help=f"Forms of the cells, comma-separated: {','.join(FORMS)}.")] = "spiking",
    weights: Annotated[int, typer.Option(help="Weight sets of the design, at each size and scale.")] = 10,
    sequences: Annotated[int, typer.Option(help="Held-out sequences of each weight set.")] = 4,
    tokens: Annotated[int, typer.Option(help="Largest number of tokens.")] = 6,
    workers: Annotated[
        int, typer.Option(help="Number of local processes that run circuits side by side; 0: this one alone.")
    ] = 0,
    normaliser: o.Normaliser = "pi",
    synapses: o.Synapses = o.DEFAULT,
    target: o.Target = "auto",
    seed: o.Seed = 0,
    *,
    output: Output,
):
    """Set a circuit once for many blocks."""
    forms = o.some_of("--form", form, FORMS)
    for name, value, least, most in (
        ("weights", weights, 2, 1000), ("sequences", sequences, 1, 1000), ("tokens", tokens, 4, 6)
    ):  # fmt: skip
        o.within(f"--{name}", value, least, most)
    mixed.check()
    given = {"normaliser": normaliser, "synapses": synapses, "target": target, "seed": seed}
    o.check(**given)
    output.check()
    every = jobs(forms, tokens, weights)
    asked = [(job, partial(rows_of, job, given, weights, sequences)) for job in every]
    with executor_of(workers) as executor, output.progress(f"{len(every)} circuits of each kind") as report:
        swept = collected(asked, report, executor)
    rows = [row for job in every if job in swept.done for row in swept.done[job]]
    parameters = given | {"form": forms, "weights": weights, "sequences": sequences, "tokens": tokens}
    folder, content = output.folder("shared_calibration", parameters), output.provenance(parameters, {"first": seed})
    summaries, figure = summarise(rows), draw(rows) if rows else None
    result = swept._replace(done={}).result(rows, summaries=summaries)
    output.report("shared_calibration", folder, result, figure, content, _table(summaries), judge(summaries))
    return status_by([row["settled"] for row in rows] or [False], swept.interrupted, swept.failed)


if __name__ == "__main__":
    script(main)
