"""Result folder of the ladder: one file per job, named after all settings that determine its rows.

The hash of the code is not part of the name; it is stored in the file.
"""

import json
import re

from cortical_attention.readout.files import settings_hash, write_json
from cortical_attention.readout.provenance import tree
from cortical_attention.trials.results import content_of

NAMED = re.compile(r"-[0-9a-f]{8}\.json$")  # as `file_of` names a file


def file_of(job, options, n_seed, folder):
    """File of the rows of a job.

    Its name contains a hash of the number of seeds, of the options and of all values of the cases. The code-generation
    target is left out of the hash, since every target gives the same answer.

    Parameters
    ----------
    job : experiments.ladder.Job
    options : Options
    n_seed : int
        Seeds per case.
    folder : pathlib.Path
        Of the ladder.

    Returns
    -------
    pathlib.Path
        ``folder/jobs/NAME-HASH.json``; it need not exist.
    """
    asked = options._replace(settings=options.settings._replace(target="any"))  # every target gives the same answer
    content = [content_of(case) for case in job.cases]
    return folder / "jobs" / f"{job.name}-{settings_hash([n_seed, asked, content])}.json"


def has_ladder(folder):
    """Whether a folder has a ladder: its result, or rows of a job under the name that this module gives them."""
    return (folder / "ladder.json").is_file() or any(map(NAMED.search, map(str, folder.glob("jobs/*.json"))))


def keep(file, rows):
    """Write the rows of a job."""
    write_json(file, {"code": tree()["code"], "rows": rows})


def stored(file, n_row, columns):
    """Rows of a job in its file.

    Parameters
    ----------
    file : pathlib.Path
    n_row : int
        Number of rows of the complete job.
    columns : tuple of str
        Names in each row, in their order.

    Returns
    -------
    list of dict
        Empty if there is no file, it cannot be read, its content is incomplete or damaged, or it was written by other code.
    """
    code, rows = _read(file)
    whole = code == tree()["code"] and isinstance(rows, list) and len(rows) == n_row
    return rows if whole and all(_is_row(row, columns) for row in rows) else []


def _is_row(row, columns):
    """Whether this is a row of a job, with an error that is a number."""
    return isinstance(row, dict) and tuple(row) == columns and isinstance(row["relative_l2"], float)


def of_other_code(file):
    """Whether a file has rows of code that is not the present one."""
    code, rows = _read(file)
    return bool(rows) and code != tree()["code"]


def _read(file):
    """Code and rows of a file; of one that was written before it said so the code is None."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None, None
    return (content.get("code"), content.get("rows")) if isinstance(content, dict) else (None, content)
