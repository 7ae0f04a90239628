"""History of a circuit that learns: everything up to the last presentation, and the file that keeps it."""

import json
from typing import NamedTuple

import numpy as np

from cortical_attention.readout.files import replacing
from cortical_attention.trials.online import BLOCK, State, answer_errors, cosines, losses

SETTINGS = "settings"


class History(NamedTuple):
    """What was learnt so far.

    Attributes
    ----------
    weights, velocity : dict of str to ndarray, shape (n_presentation + 1, *shape)
        By name, before the first presentation and after each.
    measures : dict of str to ndarray, shape (n_presentation,)
        loss; accuracy; answer_error, relative L2 of the circuit's answer from that of its weights; cosine_W_Q, ..., of what
        the rules asked for with the negative gradient.
    """

    weights: dict
    velocity: dict
    measures: dict

    @property
    def n(self):
        """Presentations so far."""
        return len(next(iter(self.weights.values()))) - 1

    @property
    def state(self):
        """Where learning goes on (State)."""
        last = ({name: each[-1] for name, each in both.items()} for both in (self.weights, self.velocity))
        return State(*last)


def begun(weights):
    """History before the first presentation."""
    return History({name: each[np.newaxis] for name, each in weights.items()}, {}, {})


def longer(history, course, drawn, right):
    """History with one more course.

    Parameters
    ----------
    history : History
    course : trials.online.Course
    drawn : inputs.recall.Sequences
        With an axis of presentations.
    right : callable
        From an output and sequences to whether each answer is right (ndarray of bool).
    """
    measures = {
        "loss": losses(course, drawn.targets),
        "accuracy": right(course.output, drawn).mean(axis=(1, 2)),
        "answer_error": answer_errors(course, drawn),
        **{f"cosine_{name}": each for name, each in cosines(course, drawn).items()},
    }
    velocity = {name: each.velocity for name, each in course.run.learnt.items()}
    return History(
        {name: np.concatenate([each, course.weights[name][1:]]) for name, each in history.weights.items()},
        _appended(history.velocity, {name: each[1:] for name, each in velocity.items()}),
        _appended(history.measures, measures),
    )


def _appended(before, more):
    """Arrays by name, each with more behind it."""
    return {name: np.concatenate([before[name], each]) if name in before else each for name, each in more.items()}


def keep(history, settings, path):
    """Write a history, and the settings that it belongs to (dict)."""
    groups = zip(("weights", "velocity", "measures"), history, strict=True)
    arrays = {f"{kind}/{name}": each for kind, group in groups for name, each in group.items()}
    with replacing(path) as part:
        np.savez(part, **arrays, **{SETTINGS: json.dumps(settings, sort_keys=True)})


def kept(path, settings):
    """History in a file.

    Raises
    ------
    ValueError
        If the file is no history, or one of other settings: a sentence.
    """
    groups = {"weights": {}, "velocity": {}, "measures": {}}
    try:
        with np.load(path) as file:
            had = json.loads(str(file[SETTINGS]))
            for name in set(file.files) - {SETTINGS}:
                kind, _, own = name.partition("/")
                groups[kind][own] = file[name]
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is no history of learning") from error
    other = [name for name, value in settings.items() if had.get(name) != value]
    if other:
        said = "; ".join(f"{name} {had.get(name)}, but {settings[name]} is asked for" for name in other)
        raise ValueError(f"{path} was learnt with {said}")
    return History(**groups)


def row_of(history):
    """Figures of one history (dict)."""
    measures = history.measures
    cosine = {name: measures[f"cosine_{name}"] for name in BLOCK if f"cosine_{name}" in measures}
    return {
        "loss_start": float(measures["loss"][:10].mean()),
        "loss_end": float(measures["loss"][-10:].mean()),
        "answer_error": float(np.median(measures["answer_error"])),
        "cosine_mean": float(np.mean([*cosine.values()])),
        "cosines": {name: float(each.mean()) for name, each in cosine.items()},
        "least_cosines": {name: float(each.min()) for name, each in cosine.items()},
        "presentations": history.n,
    }  # fmt: skip
