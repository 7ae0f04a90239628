"""A result as an RO-Crate (Soiland-Reyes et al. 2022): its files, and a machine-readable account of the run they came of.

The account is a Process Run Crate (Leo et al. 2024): one action, whose instrument is this software, whose objects are the
case and every setting, and whose results are the other files and the figures of agreement. A result folder does not know who
ran it, nor under which licence its content may be used; that is left for its owner to add.
"""

import hashlib
import json
from pathlib import Path

from cortical_attention.readout.files import FolderError, replacing_folder
from cortical_attention.readout.names import BATCHES, OF_A_FORM

VERSION = "1.1"  # of RO-Crate; the version that the profile extends
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
METADATA = "ro-crate-metadata.json"
SOFTWARE = "cortical-attention"
LICENCE = ("https://spdx.org/licenses/MIT", "MIT License")  # of the software, as in setup.cfg
NO_LICENCE = "Not stated: the owner of this result has to choose a licence before it is published."
INPUTS = ("case.npz", "calibration.json")
DRAWN = ("raster-*.png", "comparison-*.png")  # by `show`
FORMATS = {
    ".npz": "application/zip", ".npy": "application/octet-stream", ".json": "application/json", ".png": "image/png",
    ".h5": "application/x-hdf5", ".nix": "application/x-hdf5", ".nwb": "application/x-hdf5", ".html": "text/html",
}  # fmt: skip
DESCRIPTIONS = {
    "case.npz": "tokens and weights of the attention block, as NumPy arrays",
    "calibration.json": "what the cells of the circuit were set to before the run",
    "output.npy": "answer of the circuit, (n_token, d_model)",
    "reference.npy": "answer of the algebra to the same case, (n_token, d_model)",
    "attention.npy": "attention weights that the cells carry, (n_head, n_token, n_context)",
    "reference_attention.npy": "attention weights of the algebra, (n_head, n_token, n_context)",
    "comparison.json": "figures of agreement between circuit and algebra, beside their nulls",
    "recording.h5": "spikes, rates and recorded variables of cells, in the layout of SONATA",
    "shown.json": "what tokens stand for: words, or images",
    "comparisons.json": "figures of agreement for each input",
    "outputs.npy": "answers of the circuit to all inputs, (n_input, n_token, d_model)",
    "references.npy": "answers of the algebra to all inputs, (n_input, n_token, d_model)",
    "attention.png": "picture of attention over what tokens stand for",
    "run.json": "settings with units, seeds, versions and commit of the run",
    "raster.png": "picture of the spikes, or values, of every population over time",
    "comparison.png": "picture of the answer of the circuit beside that of the algebra",
    "recording.nix": "the recording in the format NIX",
    "recording.nwb": "the recording in the format NWB",
    "report.html": "the result as a page for a browser",
}
UNITS = {"window": "s", "settle": "s", "dt": "s", "write": "s", "unit_rate": "Hz"}  # of the settings in run.json
FIGURES = (
    "relative_l2", "cosine", "skill", "query_identification", "uniform_relative_l2", "key_only_relative_l2",
    "additive_relative_l2", "settled", "n_cell", "n_synapse", "biological_s", "wall_s",
)  # fmt: skip


def write_ro_crate(folder, place, provenance, report, about=""):
    """Copy the files of a result into an RO-Crate.

    Parameters
    ----------
    folder : pathlib.Path
        Result folder. What does not belong to the result is not copied.
    place : pathlib.Path
        Folder to write; one that is there is replaced if it is an RO-Crate.
    provenance, report : dict
        Content of run.json and of comparison.json.
    about : str
        Wiring, form and case.

    Raises
    ------
    FolderError
        If `place` is the result folder or lies above it, holds something else than an RO-Crate, or cannot be written.
    ImportError
        Without rocrate.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError as error:
        raise ImportError(
            "an RO-Crate needs rocrate; install it with pip install 'cortical-attention[ro-crate]'"
        ) from error
    _check_place(folder, place)
    with replacing_folder(place) as part:
        crate = ROCrate(version=VERSION)
        crate.metadata.extra_terms["sha256"] = "http://schema.org/sha256"  # came into RO-Crate with 1.2
        _describe_root(crate, provenance, report, about)
        files = {path.name: _file(crate, path) for path in _files(folder)}
        action = _action(crate, provenance, report, about)
        action["object"] = [files[name] for name in INPUTS if name in files] + _settings(crate, provenance)
        action["result"] = [each for name, each in files.items() if name not in INPUTS] + _figures(crate, report)
        crate.root_dataset["mentions"] = [action]
        crate.write(part)


def _check_place(folder, place):
    """Refuse to replace what is no RO-Crate, or the result itself."""
    inside = (folder.resolve(), *folder.resolve().parents)
    if place.resolve() in inside:
        raise FolderError(f"{place} holds the result itself; choose another folder for the RO-Crate")
    if place.exists() and not (place / METADATA).is_file() and not (place.is_dir() and not any(place.iterdir())):
        raise FolderError(f"{place} is there and is no RO-Crate; choose another folder")


def _files(folder):
    """Files of a result (list of Path): those that belong to one, exports, what tokens stand for, and pictures."""
    drawn = [path for pattern in DRAWN for path in sorted(folder.glob(pattern))]
    return [path for path in (*(folder / name for name in (*OF_A_FORM, *BATCHES)), *drawn) if path.is_file()]


def _describe_root(crate, provenance, report, about):
    """Name, date, licence and profile of the crate."""
    root = crate.root_dataset
    crate.name = f"cortical-attention: {about or 'a result'}"
    crate.description = (
        f"What a cortico-thalamic circuit, simulated in Brian2, answered to an attention block ({about}), beside the "
        f"algebra of attention; {_verdict(report)}."
    )
    root["datePublished"] = provenance["written"]  # rocrate would say now; the result is of this time
    root["license"] = NO_LICENCE
    root["keywords"] = "attention, cortex, thalamus, spiking neural network, Brian2"
    root["conformsTo"] = _entity(crate, PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")


def _verdict(report):
    """Relative error, and whether the circuit settled, in words."""
    error = report.get("relative_l2")
    found = "no error was measured" if error is None else f"relative L2 {error:.3g}"
    if report["interrupted"]:
        return f"{found}; the run was interrupted"
    return f"{found}; {'settled' if report['settled'] else 'not settled: ' + str(report.get('reason'))}"


def _file(crate, path):
    """Entity of a file, with its size and its SHA-256."""
    drawn = "picture of a part" if path.suffix == ".png" else path.name
    about = {
        "name": path.name, "description": DESCRIPTIONS.get(path.name, drawn),
        "encodingFormat": FORMATS.get(path.suffix, "application/octet-stream"),
        "contentSize": str(path.stat().st_size), "sha256": _sha256(path),
    }  # fmt: skip
    return crate.add_file(str(path), path.name, properties=about)


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _action(crate, provenance, report, about):
    """The run: what it was, when it ended, and what computed it."""
    status = "FailedActionStatus" if report["interrupted"] else "CompletedActionStatus"
    error = {"error": "the run was interrupted"} if report["interrupted"] else {}
    words = (Path(word).name if Path(word).is_absolute() else word for word in provenance["command"])
    return _entity(
        crate, "#run", "CreateAction", name=f"Simulation of {about or 'a circuit'}",
        description=f"{' '.join(words)}; {_verdict(report)}", endTime=provenance["written"],
        instrument=_software(crate, provenance), actionStatus={"@id": f"http://schema.org/{status}"}, **error,
    )  # fmt: skip


def _software(crate, provenance):
    """This software, its licence, its commit, and the packages that it ran on."""
    versions = {name: version for name, version in provenance["versions"].items() if version is not None}
    changed = {True: ", changed since", False: ", unchanged", None: ""}[provenance.get("changed")]
    commit = f"commit {provenance['commit']}{changed}; " if provenance.get("commit") else ""
    needed = [
        _entity(crate, f"#{name}-{version}", "SoftwareApplication", name=name, softwareVersion=version)
        for name, version in versions.items() if name != SOFTWARE
    ]  # fmt: skip
    about = {"name": SOFTWARE, "description": f"{commit}source files have the hash {provenance['code']}"}
    if SOFTWARE in versions:
        about["softwareVersion"] = versions[SOFTWARE]
    licence = _entity(crate, LICENCE[0], "CreativeWork", name=LICENCE[1])
    return _entity(crate, f"#{SOFTWARE}", "SoftwareApplication", **about, license=licence, softwareRequirements=needed)


def _settings(crate, provenance):
    """Every setting and seed of the run (list of PropertyValue) that was not left to the form."""
    seeds = {f"seed of {name}": value for name, value in provenance.get("seeds", {}).items()}
    given = {name: value for name, value in (provenance["options"] | seeds).items() if value is not None}
    return [_value(crate, "setting", name, value) for name, value in given.items()]


def _figures(crate, report):
    """Figures of agreement (list of PropertyValue); the rest is in comparison.json."""
    return [_value(crate, "figure", name, report[name]) for name in FIGURES if report.get(name) is not None]


def _value(crate, kind, name, value):
    """A named value: text, a number or a truth value as it is, all else as JSON text."""
    plain = value if isinstance(value, str | int | float) else json.dumps(value)
    unit = {"unitText": UNITS[name]} if name in UNITS else {}
    return _entity(crate, f"#{kind}-{name.replace(' ', '-')}", "PropertyValue", name=name, value=plain, **unit)


def _entity(crate, identifier, kind, **properties):
    """An entity of the crate that is no file."""
    from rocrate.model import ContextEntity

    return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **properties}))
