"""Names of result folders and of the files in them, for every experiment."""

import re

RESULT_FILES = (
    "case.npz",
    "calibration.json",
    "output.npy",
    "attention.npy",
    "reference.npy",
    "reference_attention.npy",
    "comparison.json",
    "recording.h5",
    "raster.png",
    "comparison.png",
    "run.json",
)
EXPORTS = ("recording.nix", "recording.nwb", "report.html", "index.html")
"""Files that `export` and `report` write beside a result; they go when it is overwritten."""
EXPORTED_FOLDERS = {"sonata": "circuit_config.json", "ro-crate": "ro-crate-metadata.json"}
"""Folders that `export` writes beside a result, with a file by which each is known; they go likewise."""
NAMED = (
    "match", "digits", "one_head", "multihead", "normalisation", "error_over_time", "onset", "shunt_noise", "gradients",
    "ladder", "attribution", "averaging", "bursts", "multipliers", "forecast", "best_attention", "division",
    "robustness", "barrel_cortex", "physiology", "calibration", "crutches", "shared_calibration", "softmax",
    "which_curve", "random_features", "transformer", "systems", "hopfield", "potentiation", "layer_6b", "hippocampus",
    "areas", "softmax_forms", "softmax_biophysical", "block", "waves", "memory_rules", "recurrent_attention",
    "context_inference", "relays", "verdict", "amplify_suppress", "precision", "match_and_control", "burst_attention",
    "reticular", "modulation", "drivers", "layer_6", "credit", "teach", "learn", "memory_learning", "learn_match",
)  # fmt: skip
"""Experiments that write NAME.json and, most of them, NAME.png."""
FORMS = ("rate", "dale", "spiking", "adaptive", "exponential", "biophysical", "disinhibited", "point")
PARTS = tuple(f"{form}-{wiring}" for form in FORMS for wiring in ("mask", "memory", "softmax", "softmax_quadrants"))
SHOWN = "shown.json"
"""What tokens stand for: words, or images with their tags and answers."""
BATCHES = ("outputs.npy", "references.npy")
"""Answers of circuit and algebra to every image of `digits`."""
OF_A_FORM = (*RESULT_FILES, *EXPORTS, SHOWN, "comparisons.json", "attention.png")
MORE_FILES = {
    "gradients": ("gradients.npz",),
    "ladder": ("ladder.csv",),
    "learn": ("learn.npz", "raster.png"),
    "transformer": ("words.png", SHOWN),
    "verdict": ("verdict.md", "map.png"),
    "match": ("over_time.png", *(f"{form}/{name}" for form in FORMS for name in OF_A_FORM)),
    "digits": tuple(f"{form}/{name}" for form in FORMS for name in (*OF_A_FORM, *BATCHES)),
    "barrel_cortex": tuple(f"{part}/{name}" for part in PARTS for name in (*RESULT_FILES, "report.html")),
}


LONGEST = 40  # characters of a word in the name of a folder; chosen: four of them fit into any file system


def word_of(text):
    """A text from outside as a word in the name of a folder: letters of ASCII, digits, dot, underscore and hyphen.

    Parameters
    ----------
    text : str
        `module:object` becomes module.object; other characters become underscores, one for each run of them.

    Returns
    -------
    str
        At most `LONGEST` characters; neither begins nor ends with a dot or a hyphen. It may be empty.
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text.replace(":", "."))[:LONGEST].strip(".-")


def names_of(experiments):
    """Names of the further files of some experiments, beside `RESULT_FILES`.

    Parameters
    ----------
    experiments : iterable of str

    Returns
    -------
    list of str
        Relative to the result folder; files in a subfolder include its name.
    """
    return [each for name in experiments for each in (*MORE_FILES.get(name, ()), f"{name}.png", f"{name}.json")]
