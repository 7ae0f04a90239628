"""The sceptic's verdict: every sentence of the dossier that can be measured, with the figure that decides it.

Question: is the cortico-thalamic loop computationally equivalent to attention? For each measurable sentence of a sceptical
dossier: what was measured, by which command, against which threshold, and where does that move the needle?

Prediction: none of its own. Thresholds stand in `protocol.toml` and in the experiments, written before their runs; what each
outcome means stands in `verdict.toml`. A reader who disagrees moves a threshold there and runs the command again.

Rule: the needle is the mean of +1 for a statement that supports the claim, -1 for one that opposes it and 0 for an undecided
one, over the statements that were measured; a second needle leaves out those that algebra decides, or a circuit that is
exact by construction. The strong form of the claim is rejected if any statement that it needs opposes it, and accepted only
if all of them support it.

Reference: those of the experiments.

Run time: that of the experiments that have not run yet, two at a time; with --quick four minutes.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.progress import counted
from cortical_attention.command.status import DONE, FAILED, script
from cortical_attention.readout.files import replacing
from cortical_attention.readout.formats import number
from cortical_attention.readout.style import save
from cortical_attention.trials.batch import Swept
from cortical_attention.trials.verdict import NOT_MEASURED, RUNS, content_of, verdict
from cortical_attention.trials.verdict_figure import draw_map, draw_needle
from cortical_attention.trials.verdict_page import asked, page

# Parameters
COMMAND = "from cortical_attention.command.line import main; main()"
KEPT = {False: Path("results/verdict/runs"), True: Path("results/verdict-quick/runs")}


# Protocol
def missing(folder):
    """Experiments without a result in a folder (list of str)."""
    return [name for name in RUNS if content_of(folder, name) is None]


def run_all(names, folder, quick, workers, quiet):
    """Run experiments, so many at a time; which of them failed, with the last line that they said (dict).

    Each is a process of its own with one thread, whose output stands in `EXPERIMENT.log` beside its folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    failed = {}
    with ThreadPoolExecutor(workers) as pool, counted(f"{len(names)} experiments", len(names), quiet) as advance:
        for done in as_completed([pool.submit(_run, name, folder, quick) for name in names]):
            advance()
            failed |= {name: sentence for name, sentence in [done.result()] if sentence}
    return failed


def _run(name, folder, quick):
    """Name of an experiment, and why it has no result (empty: it has)."""
    words = [sys.executable, "-c", COMMAND, name, *RUNS[name]["quick" if quick else "full"]]
    words += ["--out", str(folder / name), "--overwrite", "--quiet"]
    log = folder / f"{name}.log"
    with log.open("w", encoding="utf-8") as file:
        subprocess.run(words, stdout=file, stderr=file, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
    if content_of(folder, name) is not None:  # an experiment that misses its predictions, or does not settle, has one
        return name, ""
    return name, (log.read_text(encoding="utf-8").strip().splitlines() or ["it said nothing"])[-1]


# Figure
def _table(found):
    table = Table(
        "statement", *(Column(name, no_wrap=True) for name in ("value", "interval", "asked", "outcome")),
        title="what each sentence predicts, and what was measured",
    )  # fmt: skip
    for each in found["statements"]:
        if each["outcome"] == NOT_MEASURED:
            table.add_row(each["statement"], "-", "-", "-", NOT_MEASURED)
        else:
            value, *ends = (number(x) for x in (each["value"], *each["interval"]))
            table.add_row(each["statement"], value, " to ".join(ends), asked(each), each["outcome"])
    return table


@with_output
def main(
    quick: Annotated[bool, typer.Option(help="A smaller design of each experiment.")] = False,
    runs: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the result folder of each experiment; what is missing there is run, and kept there.",
            show_default="results/verdict/runs, or results/verdict-quick/runs",
        ),
    ] = None,
    run: Annotated[bool, typer.Option(help="Run what is missing.")] = True,
    workers: Annotated[int, typer.Option(help="Experiments that run at a time.")] = 2,
    *,
    output: Output,
):
    """Gather what experiments measured, run what is missing, and say where that leaves the claim."""
    o.within("--workers", workers, 1, 64)
    output.check()
    kept = KEPT[quick] if runs is None else runs
    failed = run_all(missing(kept), kept, quick, workers, output.quiet) if run else {}
    found = verdict(kept)
    parameters = {"quick": quick, "runs": str(kept)}
    folder, content = output.folder("verdict", parameters), output.provenance(parameters, {})
    result = Swept({}, failed, False).result(found["statements"], **found)
    save(draw_map(found), folder / "map.png")
    with replacing(folder / "verdict.md") as part:
        part.write_text(page(found, quick), encoding="utf-8")
    output.report("verdict", folder, result, draw_needle(found), content, _table(found), [], as_json=found)
    output.console.print(_closing(found), highlight=False, soft_wrap=True)
    return FAILED if failed else DONE


def _closing(found):
    """The needle and the strong form in sentences (str)."""
    strong = found["composite"]
    needle = "no statement was measured" if found["needle"] is None else f"needle {found['needle']:+.2f}"
    why = f"; opposed by {', '.join(strong['opposed'])}" * bool(strong["opposed"])
    why += f"; not shown: {', '.join(strong['open'])}" * bool(strong["open"])
    without, built = found["needle_not_by_construction"], found["by_construction"]
    second = f"; without {built} that algebra or construction decides: " * bool(built)
    second += ("no other was measured" if without is None else f"{without:+.2f}") * bool(built)
    return (
        f"{needle} (-1 refuted, 1 vindicated), {found['measured']} measured{second}; "
        f"strong form: {strong['outcome']}{why}"
    )


if __name__ == "__main__":
    script(main)
