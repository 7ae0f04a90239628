"""History of a circuit that learns: everything up to the last presentation, and the file that keeps it."""

import json
import zlib
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from cortical_attention.readout.files import replacing
from cortical_attention.trials.online import BLOCK, State, answer_errors, cosines, losses

SETTINGS = "settings"


class History(NamedTuple):
    """What was learnt so far.

    Attributes
    ----------
    weights : dict of str to ndarray, shape (n_presentation + 1, *shape)
        By name, before the first presentation and after each.
    velocity : dict of str to ndarray, shape (n_presentation, *shape)
        Last change of those that learn, after each presentation.
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


def longer(history, course, drawn, right, attention="linear"):
    """History with one more course.

    Parameters
    ----------
    history : History
    course : trials.online.Course
    drawn : inputs.recall.Sequences
        With an axis of presentations.
    right : callable
        From an output and sequences to whether each answer is right (ndarray of bool).
    attention : {"linear", "softmax"}
    """
    measures = {
        "loss": losses(course, drawn.targets),
        "accuracy": right(course.output, drawn).mean(axis=(1, 2)),
        "answer_error": answer_errors(course, drawn, attention),
        **{f"cosine_{name}": each for name, each in cosines(course, drawn, attention).items()},
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


def keep(histories, settings, path):
    """Write histories by name (dict), and the settings that they belong to (dict of dict)."""
    arrays = {
        f"{name}/{kind}/{own}": each
        for name, history in histories.items()
        for kind, group in history._asdict().items()
        for own, each in group.items()
    }
    with replacing(path) as part:
        np.savez(part, **arrays, **{SETTINGS: json.dumps(settings, sort_keys=True)})


def kept(path, name, settings):
    """History of a name in a file, or None if it has none of that name.

    Parameters
    ----------
    path : pathlib.Path
    name : str
    settings : dict
        Those that it needs to have been learnt with.

    Raises
    ------
    ValueError
        If the file is none of histories, is damaged, or has one of other settings: a sentence.
    """
    groups = {kind: {} for kind in History._fields}
    try:
        with path.open("rb") as opened, np.load(opened) as file:
            had = dict(json.loads(str(file[SETTINGS])))
            for each in file.files:
                if each.startswith(f"{name}/"):
                    _, kind, own = each.split("/")
                    groups[kind][own] = file[each]
    except FileNotFoundError as error:
        raise ValueError(f"there is no file {path}") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} has no histories of learning, or is damaged") from error
    if name not in had:
        return None
    other = [each for each, value in settings.items() if had[name].get(each) != value]
    if other:
        said = "; ".join(f"{each} {had[name].get(each)}, but {settings[each]} is asked for" for each in other)
        raise ValueError(f"{path} was learnt with {said}")
    history = History(**groups)
    if not _is_whole(history):
        raise ValueError(f"{path} lacks a part of the history of {name}")
    return history


def _is_whole(history):
    """Whether a history has all weights and a measure of each presentation."""
    return (
        {*BLOCK, *history.velocity} <= history.weights.keys()
        and {"loss", "accuracy", "answer_error"} <= history.measures.keys()
        and all(len(each) == history.n + 1 for each in history.weights.values())
        and all(len(each) == history.n for each in (*history.velocity.values(), *history.measures.values()))
    )


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
