"""Short-term Hebbian potentiation: a synapse counts coincidences, and is many times as strong beyond a threshold.

::

    At a spike of the axon      bound -> bound + e         dbound/dt = -bound / tau_c
                                                           dopen/dt = (bound - open) / tau_c
    At a spike of the cell      c -> c + open              dc/dt = -c / tau_p
                                                           ddelayed/dt = (c - delayed) / tau_e
    Strength of the synapse     1 - alpha + largest alpha,   alpha = 1 / (1 + exp(-sharpness (delayed / theta - 1)))

Without its decay, c is the sum of s exp(1 - s), s = (t - t') / tau_c, over all spikes of the cell at t and earlier ones of
the axon at t': a pair counts most, one, if the cell follows after tau_c.

Ellwood (2024) has the integral of the fourth power of the calcium of a spine in the place of c; decay, delay, sharpness and
the largest strength are those of his code (github.com/iellwood/MatchAndControlPaper), which was read. That integral, by the
time from a spike of the axon to one of the cell, rises within 4 ms to its largest value, and falls to a half in another 8
(his data, delays within the dendrite not taken off); that it is counted by a receptor that opens and closes with one time
constant is ours.
"""

from typing import NamedTuple

import numpy as np
from brian2 import Quantity, ms, second

ELLWOOD = "Ellwood 2024, code"


class ShortTermHebbian(NamedTuple):
    """Constants of short-term Hebbian potentiation, with their `sources`."""

    tau_c: Quantity = 8 * ms  # from a spike of the axon to the one of the cell that counts most
    tau_p: Quantity = 20 * second  # of potentiation
    tau_e: Quantity = 500 * ms  # of its expression
    sharpness: float = 20.0
    largest: float = 8.0  # strength over that of a rested synapse

    sources = dict.fromkeys(("tau_p", "tau_e", "sharpness", "largest"), ELLWOOD) | {
        "tau_c": "chosen: the one constant that an experiment fits, on trains of its own",
    }


SYNAPSE = """
    theta : 1 (constant)      # count of coincidences at which the synapse is half potentiated
    tau_c : second (constant)
    bound : 1
    open : 1
    c : 1
    delayed : 1
    seen : second             # when bound and open were brought up to date
    last : second             # when c and delayed were
"""
RECEPTOR = """
    since = (t - seen) / tau_c
    open = (open + bound * since) * exp(-since)
    bound = bound * exp(-since)
    seen = t
"""  # exact between spikes
COUNT = """
    kept = exp((last - t) / tau_p)
    late = exp((last - t) / tau_e)
    delayed = delayed * late + c * (kept - late) / (1 - tau_e / tau_p)
    c = c * kept
    last = t
"""  # exact between spikes
AT_AXON = f"{RECEPTOR} bound += exp(1)"
AT_CELL = f"{RECEPTOR} {COUNT} c += open"
EFFECT = f"""{COUNT}
    alpha = 1 / (1 + exp(-sharpness * (delayed / theta - 1)))
    v_post += w * (1 - alpha + largest * alpha)
"""


def strength(delayed, theta, constants=None):
    """Strength of a synapse over that of a rested one, 1 - alpha + largest alpha.

    Parameters
    ----------
    delayed : ndarray
        Coincidences, as far as they are expressed.
    theta : float or ndarray
        Threshold, above 0.
    constants : ShortTermHebbian, optional

    Returns
    -------
    ndarray
    """
    constants = ShortTermHebbian() if constants is None else constants
    alpha = 1 / (1 + np.exp(-constants.sharpness * (np.asarray(delayed) / theta - 1)))
    return 1 - alpha + constants.largest * alpha
