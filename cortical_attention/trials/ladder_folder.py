"""The folder of a ladder: a file for each job, named after all that decides its rows but the code, which stands in it."""

import json

from cortical_attention.readout.files import settings_hash, write_json
from cortical_attention.readout.provenance import tree
from cortical_attention.trials.results import content_of


def file_of(job, options, n_seed, folder):
    """Where the rows of a job are kept."""
    asked = options._replace(settings=options.settings._replace(target="any"))  # every target gives the same answer
    content = [content_of(case) for case in job.cases]
    return folder / "jobs" / f"{job.name}-{settings_hash([n_seed, asked, content])}.json"


def keep(file, rows):
    """Write the rows of a job."""
    write_json(file, {"code": tree()["code"], "rows": rows})


def stored(file, n_row, columns):
    """Rows of a job as the file has them; none where there is no file, one that is not whole, or one of other code."""
    code, rows = _read(file)
    whole = code == tree()["code"] and isinstance(rows, list) and len(rows) == n_row
    return rows if whole and all(isinstance(row, dict) and tuple(row) == columns for row in rows) else []


def of_other_code(file):
    """Whether a file has rows of code that is not the present one."""
    code, rows = _read(file)
    return bool(rows) and code != tree()["code"]


def _read(file):
    """Code and rows of a file; of one that was written before it said so the code is None."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None, None
    return (content.get("code"), content.get("rows")) if isinstance(content, dict) else (None, content)
