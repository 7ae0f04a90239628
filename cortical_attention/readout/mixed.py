"""Mixed model of errors: a median with an interval over weight sets and sequences, not over noise alone."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

NEEDED = (
    "intervals over weights and inputs need statsmodels: install it with pip install 'cortical-attention[statistics]'"
)
ALIKE = 1e-9  # relative spread at which replicas count as one answer: the form has no noise


class Estimate(NamedTuple):
    """A median, and the ends of its confidence interval; these are None with too few weight sets."""

    median: float
    low: float | None
    high: float | None


class Mixed(NamedTuple):
    """What a mixed model finds.

    Attributes
    ----------
    overall : Estimate
        Over the settings, each with equal weight.
    settings : dict of str to Estimate
    log_sd : dict of str to float or None
        Standard deviations of the logarithm of the error between `weights`, between `sequences` of one weight set, and
        between answers to one sequence (`noise`); None where the design does not separate them.
    """

    overall: Estimate
    settings: dict
    log_sd: dict


def mixed(errors, settings, weights, sequences, confidence=0.95):
    """Medians of positive errors, by a linear mixed model of their logarithms, fitted by restricted likelihood.

    log e = setting + weight set + sequence within weight set + noise. Settings (sizes, sharpness) are fixed effects; weight
    sets and sequences are random effects with one variance each, equal in all settings. In a balanced design the interval is
    that of Student's t for the means over weight sets, with as many degrees of freedom as weight sets less settings.

    Parameters
    ----------
    errors : array_like, shape (n,)
        Positive and finite.
    settings, weights, sequences : sequence, shape (n,)
        Labels. Weight sets are told apart within a setting, sequences within a weight set. Rows that share all three differ
        by noise; where they do not differ, they count as one.
    confidence : float

    Returns
    -------
    Mixed

    Raises
    ------
    ImportError
        Without statsmodels.
    ValueError
        For an error that is not positive and finite, or without any.
    """
    errors = np.asarray(errors, dtype=float)
    if errors.size == 0 or not np.all((errors > 0) & (errors < np.inf)):
        raise ValueError("a mixed model of log errors needs positive finite errors, and one at least.")
    frame = _frame(errors, settings, weights, sequences)
    means, covariance, log_sd = _fitted(frame)
    freedom = frame["weights"].nunique() - len(means)

    def estimate(contrast):
        """Median and interval of a weighted mean of the settings."""
        centre = contrast @ means
        if freedom < 1:
            return Estimate(float(np.exp(centre)), None, None)
        half = student.ppf((1 + confidence) / 2, freedom) * np.sqrt(contrast @ covariance @ contrast)
        return Estimate(*(float(np.exp(each)) for each in (centre, centre - half, centre + half)))

    names = sorted(frame["setting"].unique())
    each = {name: estimate(row) for name, row in zip(names, np.eye(len(names)), strict=True)}
    return Mixed(estimate(np.full(len(names), 1 / len(names))), each, log_sd)


def check():
    """Refuse a machine without statsmodels, before anything runs."""
    _statsmodels()


def _statsmodels():
    try:
        import statsmodels.formula.api as formulas
    except ImportError as error:
        raise ImportError(NEEDED) from error
    return formulas


def _frame(errors, settings, weights, sequences):
    """Rows of the model; weights and sequences are unique, and what is repeated without noise is there once."""
    _statsmodels()
    import pandas as pd

    frame = pd.DataFrame({"y": np.log(errors), "setting": [str(each) for each in settings]})
    frame["weights"] = [f"{a} / {b}" for a, b in zip(settings, weights, strict=True)]
    frame["sequence"] = [f"{a} / {b}" for a, b in zip(frame["weights"], sequences, strict=True)]
    spread = frame.groupby("sequence")["y"].agg(np.ptp)
    return frame.drop_duplicates("sequence") if spread.max() < ALIKE else frame


def _fitted(frame):
    """Means of the log errors by setting, their covariance, and standard deviations."""
    n_row, n_sequence, n_weights = len(frame), frame["sequence"].nunique(), frame["weights"].nunique()
    names = [
        name
        for name, more in zip(("sequences", "noise"), (n_sequence > n_weights, n_row > n_sequence), strict=True)
        if more
    ]
    formula, sd = "y ~ 0 + setting", dict.fromkeys(("weights", "sequences", "noise"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance that is estimated as zero lies at the end of its range
        if not names or n_weights == frame["setting"].nunique():  # nothing to tell weight sets from settings by
            fit = _statsmodels().ols(formula, frame).fit()
            return fit.params.to_numpy(), fit.cov_params().to_numpy(), sd
        inner = {"sequence": "0 + C(sequence)"} if len(names) == 2 else None
        model = _statsmodels().mixedlm(formula, frame, groups="weights", re_formula="1", vc_formula=inner)
        fit = model.fit(method=["powell", "nm"])  # where a variance is zero, methods with derivatives fail
    sd[names[-1]] = float(np.sqrt(fit.scale))
    if n_weights > len(fit.fe_params):
        sd["weights"] = float(np.sqrt(fit.cov_re.to_numpy()[0, 0]))
    if inner:
        sd["sequences"] = float(np.sqrt(fit.vcomp[0]))
    n = len(fit.fe_params)
    return fit.fe_params.to_numpy(), fit.cov_params().to_numpy()[:n, :n], sd
