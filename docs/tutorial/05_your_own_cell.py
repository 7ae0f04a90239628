"""
5. Your own cell
================

**Goal:** write a membrane of your own in Brian2's equations, measure its f-I curve, and let a whole circuit of such
cells attend.

**You need:** :doc:`tutorial 2 <02_first_spiking_head>`, and to know what a leaky integrate-and-fire cell is: a voltage
that decays to rest, follows an input current, and is reset after a spike. The *f-I curve* says how often it fires (f)
under a constant current (I). For a reader from machine learning: it is the activation function of the cell, measured.
The script takes about ten seconds.
"""

import numpy as np
from brian2 import Hz, ms, second

import cortical_attention as ca
from cortical_attention.cells.membranes.f_i import BEYOND_THE_TABLE, BY_CURRENT, f_i_table
from cortical_attention.cells.membranes.integrator import INTEGRATOR
from cortical_attention.cells.membranes.membrane import Membrane
from cortical_attention.readout.style import CYCLE, new_figure, style

# %%
# What a form is
# --------------
#
# A wiring says who reaches whom, and a *form* how cells and synapses behave. The same wiring runs in every form. The
# form ``"adaptive"`` has leaky cells with noise, a refractory time and an adaptation current. We keep its synapses and
# replace its membrane: instead of a current, here the *threshold* rises by a tenth with every spike, and decays in 100
# ms.
#
# The equations take ``current`` as given. Rest is 0 and the threshold 1, so that no millivolts are needed. ``white``
# is noise of the project's own, which is the same on every machine. Each constant names its source, because
# ``cortical-attention describe`` prints it; "chosen" is a source, too, if it says why.

MEMBRANE = Membrane(
    """
    dv/dt = (current - v + sigma * sqrt(2 * tau_m / dt) * white) / tau_m : 1 (unless refractory)
    dtheta/dt = (1 - theta) / tau_theta : 1   # the threshold
    white = noise(i, t_in_timesteps, stream) : 1
    """,
    threshold="v > theta",
    reset="v = 0; theta += jump",
    refractory="refractory",
    constants={"tau_m": 20 * ms, "tau_theta": 100 * ms, "jump": 0.1, "sigma": 0.2, "refractory": 2 * ms},
    sources={
        "tau_m": "chosen: as in the adaptive form",
        "tau_theta": "chosen: as the adaptation of the adaptive form",
        "jump": "chosen: at 50 Hz the threshold is half as high again",
        "sigma": "chosen: as in the adaptive form",
        "refractory": "chosen: as in the adaptive form",
        "ceiling": "chosen: as in the adaptive form",
    },
    drive=BY_CURRENT,  # a current for a rate that is asked for: by the inverse of the measured f-I curve
    start=INTEGRATOR.start,  # at random phases
    limit=BEYOND_THE_TABLE,  # a run fails if its cells are asked for more than they can fire
    ceiling=100 * Hz,
    noisy=True,
)
ADAPTIVE = ca.FORMS["adaptive"]
MOVING = ADAPTIVE._replace(name="moving threshold", membrane=MEMBRANE)

# %%
# Its f-I curve
# -------------
#
# L2/3 cells have to multiply and relays to relay, but a membrane only turns current into spikes. The circuit bridges
# the two: the cell type says which rate is right, and the inverse of the f-I curve which current brings that rate. The
# curve is measured, once, on cells like these under constant currents. With noise they fire a little already below
# threshold.

curves = {
    "adaptation current": f_i_table(ADAPTIVE.membrane, ADAPTIVE.dt),
    "moving threshold": f_i_table(MEMBRANE, MOVING.dt),
}
for name, curve in curves.items():
    print(f"{name}: {np.interp(50, curve.rate, curve.current):.2f} times the threshold current for 50 Hz")

# %%
# A constant current is not what cells of a circuit receive, though. Their input moves, and a cell with memory (its
# threshold) answers a moving input otherwise than a constant one. What that costs can only be seen in a circuit.
#
# A circuit of such cells
# -----------------------
#
# Twenty-four cells share every value, so that their noise averages out. The case is small, and both forms answer it.

case = ca.random_case(6, n_token=3, n_head=1, d_model=4, d_key=2, d_value=2, scale=1.5)
brief = {"cells": 24, "target": "numpy", "settle": 0.5 * second, "window": 0.5 * second}
answers = {"adaptation current": ca.attend(case, form=ADAPTIVE, **brief)}
answers["moving threshold"] = ca.attend(case, form=MOVING, **brief)
for name, answer in answers.items():
    report = answer.report
    print(f"{name}: relative L2 {report['relative_l2']:.3f}, skill {report['skill']:.2f}, settled {report['settled']}")
    assert report["settled"]
    assert report["relative_l2"] < 0.2
    assert report["skill"] > 0.5

# %%
# Left: both f-I curves. Right: the answers against the algebra.

with style():
    figure = new_figure(3.2, width=7)
    left, right = figure.subplots(1, 2)
    right.axline((0, 0), slope=1, color="#BBBBBB")
    for name, colour in zip(answers, CYCLE, strict=False):
        left.plot(curves[name].current, curves[name].rate, color=colour, label=name)
        right.plot(answers[name].reference.ravel(), answers[name].output.ravel(), "o", color=colour, markersize=4)
    left.set(xlim=(0, 4), ylim=(0, 110), xlabel="current (1: threshold)", ylabel="rate (Hz)")
    right.set(xlabel="algebra", ylabel="circuit")
    left.legend(loc="lower right")

# %%
# A different cell gives nearly the same answer, because the circuit knows its curve. That is the first thing such a
# test can show: the wiring does not hang on one membrane. It does not show that a cell could multiply, for here the
# rule of the cell type does that. Cells with dendrites that have to do it themselves are those of the form
# ``"biophysical"``.
#
# Try it
# ------
#
# 1. Let the threshold jump by 0.5. What becomes of the f-I curve, and of the error?
# 2. Use 48 and 96 cells per value. How does the error fall? Noise alone would fall with the root of
#    the number.
# 3. Put ``MOVING`` into a file ``mine.py`` and run ``cortical-attention compare CASE --form mine:MOVING --cells 8``.
#
# Next: :doc:`your own wiring <06_your_own_wiring>`. Deeper: the :doc:`ladder </ladder>`.
