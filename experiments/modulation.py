"""What do acetylcholine and noradrenaline do to attention through the thalamus?

Question: what does a modulator of both nuclei change in attention? Acetylcholine depolarises first-order relays, whence
queries come, and hyperpolarises higher-order relays, whence keys and values come (an assumption of ours: in the paper
both come from one nucleus). If a modulator is a holding potential of each nucleus, what moves with its level, what
stays, and what breaks? The claim is that gain moves from keys and values to queries, while the product of both gains,
which is the inverse temperature of attention, stays within 20 %, and that bursts in keys and values cost three times as
much as bursts in queries. Noradrenaline depolarises both nuclei.

Prediction: thresholds of `trials/protocol.toml`, [modulation]. The product is a claim about modes: its relative range
((largest - smallest) / mean) is judged over the levels at which neither nucleus is between burst and tonic mode, and
reported with all levels besides. A nucleus is in burst mode if its spikes are in bursts at least half as often as at its
burst point, else tonic if its gain is at least 0.9 of that at its tonic point, else between (the dead zone). Both nuclei
have the same cells, so that at mirrored levels the product is the same by construction: only levels within a mode can
refute it. Written after f-I curves of a pilot run, and scratch runs of this code with two other blocks and an eighth to a
quarter of the cells. Fire-or-burst cell: gain moves to queries at least twofold; the product stays within 20 % without the
dead zone, not with it (0.7); asymmetry at least 3, of which the values make more than the keys. Low-threshold cell: bursts
have a larger steady gain than tonic firing, so that gain moves the other way and the product is not within 20 % (0.7);
asymmetry below 3 (two). So the row of both cells will be missed. Bursts follow the modulator in both nuclei, at least
threefold. A switch that stays half way is off by more than 20 % for good; one by a step is back within 0.3 s, and slopes
change their sign in its first 0.1 s, since cells that were silent rebound. (A step without the T-current was added after
the first full run, to see whether that is the reason.)
The reading of Yu and Dayan, acetylcholine for expected and noradrenaline for unexpected uncertainty, as a hypothesis:
acetylcholine lessens what context adds to a token (size of the answer: at most 0.75), and not how sharply it is selected
(entropy: at most 0.2 of what noradrenaline changes; the scratch runs had 0.4, so that this will be missed). If
noradrenaline told that the context is another one, new tokens should weigh more with it. Here it is acetylcholine that
makes them loud: gain at onset over steady gain at least 1.2 times as much as with noradrenaline, since only bursts do so.

Reference: `reference.linear_attention` (elu+1) with random weights of scale 2, and with factors on queries, keys and values
that are fitted on other inputs. Mooney et al. 2004 (PNAS 101:320; abstract read: lemniscal and non-lemniscal auditory
thalamus); Varela & Sherman 2007 (J Neurophysiol; abstract read: only a fifth of higher-order relays are hyperpolarised);
Yu & Dayan 2005 (abstract read). No circuit of cortex is run.

Run time: four minutes; a minute with --quick.
"""

from typing import Annotated

import typer
from brian2 import second

from cortical_attention.circuits.protocol import RunError
from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_by
from cortical_attention.trials.batch import part_of, prediction_of
from cortical_attention.trials.modulation import CELLS, courses, draw, figures_of, measured, modes, rows_of
from cortical_attention.trials.modulation_figure import draw as draw_figure
from cortical_attention.trials.modulation_figure import tables

# Parameters
FULL, QUICK = {"inputs": 4, "cells": 16}, {"inputs": 4, "cells": 4}
N_BLOCK, FEWER = 8, 4  # chosen: blocks; of the short version


# Protocol
def run_cell(cell, blocks, cells, seed, report):
    """Rows of levels, of arms and over time of a relay cell, for each block (three lists of dict)."""
    levels, arms = rows_of(cell, measured(cell, blocks, cells, seed, report), blocks)
    over_time = courses(cell, blocks, cells, seed)
    report(1.0)
    return levels, arms, over_time


# Reference
def judge(figures):
    """The predictions."""
    found = []
    for name, each in figures.items():
        ends = each["threshold"] if isinstance(each["threshold"], list) else [each["threshold"]]
        interval = f" ({each['interval'][0]:.2f} to {each['interval'][1]:.2f})" if each["interval"] else ""
        said = f"{name.replace('_', ' ')}: {each['rule']} {' and '.join(f'{end:g}' for end in ends)}"
        found.append(prediction_of(each, said, f"{each['value']:.2f}{interval}"))
    return found


@with_output
def main(
    seeds: Annotated[
        int | None,
        typer.Option(help="Blocks, each with weights and inputs of its own.", show_default="8, or 4 with --quick"),
    ] = None,
    inputs: Annotated[
        int | None, typer.Option(help="Inputs of four tokens for each block.", show_default=f"{FULL['inputs']}")
    ] = None,
    cells: Annotated[
        int | None,
        typer.Option(help="Relays for a component, sign and replica, of two.", show_default=f"{FULL['cells']}"),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A smaller design, for the verdict in a minute.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of weights, tokens and noise.")] = 0,
    *,
    output: Output,
):
    """Hold both nuclei where acetylcholine and noradrenaline hold them.

    Figures of the result, each NAME_CELL for both relay cells (levels of a modulator: 0, burst point, to 1, tonic point):

    moves
        Gain of queries over that of keys and values with acetylcholine (1), over the same without (0).
    inverse_temperature, inverse_temperature_with_dead_zone
        Relative range of the product of both gains over levels of acetylcholine, within modes and over all.
    asymmetry, asymmetry_at_onset
        Error of bursts in keys and values over that of bursts in queries, steady and in the first 50 ms.
    dissociation
        Share of spikes in bursts: by how much it falls in the core and grows in the matrix, the lesser of both.
    stays_between, step
        How far the product is off while acetylcholine stays half way; for how long it is off after a step (s).
    entropy
        Change of the entropy of attention by acetylcholine, of that by noradrenaline.
    answer
        Size of the answer with acetylcholine, of that without.
    novelty
        Gain of keys and values at onset over their steady gain, with acetylcholine over that with noradrenaline.
    """
    (seeds,) = o.given_or([FEWER if quick else N_BLOCK], seeds)
    o.within("--seeds", seeds, 2, 1000)
    given = {name: each for name, each in (("inputs", inputs), ("cells", cells)) if each is not None}
    sizes = (QUICK if quick else FULL) | given
    o.within("--inputs", sizes["inputs"], 2, 1000)
    o.within("--cells", sizes["cells"], 1, 1000)
    o.within("--seed", seed, 0, 2**32 - 1)
    output.check()
    blocks = [draw(seed, k, sizes["inputs"]) for k in range(seeds)]
    parts, failed, interrupted = ([], [], []), {}, False
    with output.progress("modulation") as report:
        for n, cell in enumerate(CELLS):
            try:
                for part, rows in zip(
                    parts, run_cell(cell, blocks, sizes["cells"], seed, _report(report, n)), strict=True
                ):
                    part.extend(rows)
            except RunError as error:
                failed[cell] = str(error)
            except KeyboardInterrupt:
                interrupted = True
                break
    levels, arms, over_time = parts
    done = list(dict.fromkeys(row["cell"] for row in levels))
    figures = {name: each for cell in done for name, each in figures_of(levels, arms, over_time, cell).items()}
    parameters = {"seeds": seeds, **sizes, "quick": quick, "seed": seed}
    folder, content = output.folder("modulation", parameters), output.provenance(parameters, {"first": seed})
    result = {
        "figures": figures, "modes": {cell: modes(levels, cell) for cell in done}, "rows": levels, "arms": arms,
        "over_time": over_time, "failed": failed, "interrupted": interrupted,
    }  # fmt: skip
    picture, shown = (draw_figure(*parts), tables(*parts)) if done else (None, "no cell was run")
    output.report("modulation", folder, result, picture, content, shown, judge(figures))
    return status_by([bool(done)], interrupted, failed)


def _report(report, n):
    """Progress of a cell as that of all: a function of the share that is done."""
    one = part_of(report, n, len(CELLS))
    return lambda share: one(0 * second, share, 0 * second, 0 * second) if one else None


if __name__ == "__main__":
    script(main)
