"""
Error against duration
======================

Regular spiking counts, it does not average noise: the error falls as one over the measured time, where independent noise
would fall as one over its root. Each grey line is another sequence, the blue one their median.
"""

import numpy as np
from brian2 import second

import cortical_attention as ca
from cortical_attention.readout.style import new_figure, style

case = ca.random_case(0, 4, n_head=1, d_model=4, d_key=2, d_value=2, scale=2.0)
asked = {"form": "spiking", "target": "numpy"}
calibration = ca.calibrate(case, **asked)
errors = []
for tokens in np.random.default_rng(1).standard_normal((3, *case.tokens.shape)):
    answer = ca.attend(
        case._replace(tokens=tokens), calibration=calibration, settle=1 * second, window=2 * second, **asked
    )
    errors.append(answer.report["error_over_time"]["relative_l2"])
times = np.array(answer.report["error_over_time"]["s"])
middle = np.median(errors, axis=0)
with style():
    figure = new_figure(4, width=7)
    panel = figure.subplots()
    panel.loglog(times, np.transpose(errors), color="#BBBBBB")
    panel.loglog(times, middle, marker="o", markersize=4, label="median")
    for slope, dashes in ((-1, ":"), (-0.5, "--")):
        panel.loglog(times, middle[0] * (times / times[0]) ** slope, "k", linestyle=dashes, label=f"slope {slope}")
    panel.set_xticks([0.25, 0.5, 1, 2], ["0.25", "0.5", "1", "2"])
    panel.set_xticks([], minor=True)
    panel.set(xlabel="measured time (s)", ylabel="relative L2 error")
    panel.legend()
