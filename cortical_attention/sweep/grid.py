"""The grid of a sweep: each combination of swept values and a seed is one run of the experiment, with a name of its own."""

import functools
import hashlib
import importlib
import itertools
import re
from pathlib import Path
from typing import NamedTuple

import typer

from cortical_attention import __version__
from cortical_attention.command.options import OptionError, one_of
from cortical_attention.inputs.cases import CaseError
from cortical_attention.inputs.cases import load as load_case
from cortical_attention.readout.files import settings_hash
from cortical_attention.readout.provenance import jsonable
from cortical_attention.sweep.runs import Task

SCHEMA_VERSION = 1
OWN = ("seed", "out", "quiet", "json", "overwrite", "report")  # options of the experiment that the sweep sets
LARGEST = 100_000  # runs; chosen: a folder a run
USAGE_ERROR = typer.BadParameter.__base__  # of whichever click this typer brings


class Grid(NamedTuple):
    """A sweep: what decides its results (sweep.json), its runs, and the content of its input files by their place."""

    settings: dict
    runs: list
    files: dict


def grid(experiment, words, over, seeds, seed, known):
    """Every run of a sweep.

    Parameters
    ----------
    experiment : str
    words : sequence of str
        The experiment's own arguments, as on the command line.
    over : sequence of str
        `NAME=VALUE,VALUE`; values that have commas are parted by semicolons.
    seeds, seed : int
        How many, and the first.
    known : sequence of str
        Experiments that can be swept.

    Returns
    -------
    Grid

    Raises
    ------
    OptionError
        For an experiment, an option or a value that there is not, and for an option given twice.
    CaseError
    """
    one_of("EXPERIMENT", experiment, known)
    parser = Parser(experiment)
    axes = dict(_axis(parser, text) for text in over)
    if len(axes) < len(over):
        raise OptionError("--over names an option twice but needs each once")
    axes |= _seeds(parser, seeds, seed)
    parser.check_words(words, axes)
    n_run = functools.reduce(lambda n, values: n * len(values), axes.values(), 1)
    if n_run > LARGEST:
        raise OptionError(f"the grid has {n_run} runs but may have at most {LARGEST}")
    files = {}
    runs = [
        _run(parser, words, dict(zip(axes, point, strict=True)), files) for point in itertools.product(*axes.values())
    ]
    runs = list({run.name: run for run in runs}.values())  # 50 and 50.0 are one value
    return Grid(_settings(experiment, runs, axes), runs, dict(files.values()))


class Parser:
    """The command line of an experiment, which gives its options instead of running it."""

    def __init__(self, experiment):
        self.experiment = experiment
        main = importlib.import_module(f"cortical_attention.experiments.{experiment}").main
        application = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        application.command(experiment)(functools.wraps(main)(lambda **options: options))
        self.command = typer.main.get_command(application)
        self.parameters = {each.name: each for each in self.command.params}

    def options(self, words):
        """Options by name, each of its annotated type."""
        return self._asked(lambda: self.command.main(list(words), prog_name=self.experiment, standalone_mode=False))

    def check_words(self, words, axes):
        """Refuse words that set an option of the sweep, or a swept option.

        Words that cannot be parsed are not refused here, but by `options`.

        Parameters
        ----------
        words : sequence of str
            Arguments of the experiment, as on the command line.
        axes : dict of str to list of str
            Swept values by option.

        Raises
        ------
        OptionError
            If such an option is among the words.
        """
        context = self._asked(lambda: self.command.make_context(self.experiment, list(words), resilient_parsing=True))
        for name in (*OWN, *axes):
            if name in self.parameters and context.get_parameter_source(name).name == "COMMANDLINE":
                raise OptionError(
                    f"{self.shown(name)} is an option of the sweep here; it cannot be given to {self.experiment}"
                )

    def check_name(self, name):
        """Refuse an option that the experiment does not have, or that the sweep sets itself."""
        if name in OWN:
            raise OptionError(f"--over {name}: is set by the sweep itself and cannot be swept over")
        if name not in self.parameters:
            has = ", ".join(each for each in self.parameters if each not in OWN)
            raise OptionError(f"--over {name}: {self.experiment} has no such option; it has {has or 'none'}")

    def shown(self, name):
        """An option as it is written."""
        return self.parameters[name].opts[0] if self.is_option(name) else name.upper()

    def is_option(self, name):
        """Whether it is named on the command line, rather than an argument."""
        return self.parameters[name].param_type_name == "option"

    def words(self, name, value):
        """Words of the command line that give an option, or an argument, a value.

        Parameters
        ----------
        name : str
            An option or argument of the experiment (`check_name`).
        value : str
            "true" or "false" for a flag.

        Returns
        -------
        list of str
            One word; none for a flag that is off and has no word for it.

        Raises
        ------
        OptionError
            For another value of a flag.
        """
        parameter = self.parameters[name]
        if not self.is_option(name):
            return [value]
        if not parameter.is_flag:
            return [f"{parameter.opts[0]}={value}"]
        one_of(f"--over {name}", value, ("true", "false"))
        return parameter.opts[:1] if value == "true" else parameter.secondary_opts[:1]

    def _asked(self, parse):
        try:
            found = parse()
        except USAGE_ERROR as error:
            raise OptionError(f"{self.experiment}: {' '.join(error.format_message().split())}") from error
        if isinstance(found, int):  # its help is printed
            raise typer.Exit(found)
        return found


def _axis(parser, text):
    """Name and values of a text such as unit_rate=50,100."""
    name, _, values = text.partition("=")
    name = name.strip().lstrip("-").replace("-", "_")
    found = [value.strip() for value in values.split(";" if ";" in values else ",")]
    if not name or not all(found):
        raise OptionError(f"--over is '{text}' but needs to be NAME=VALUE,VALUE")
    parser.check_name(name)
    return name, list(dict.fromkeys(found))


def _seeds(parser, seeds, seed):
    """The axis of the seeds; none where the experiment has none."""
    if not 1 <= seeds <= LARGEST:
        raise OptionError(f"--seeds is {seeds} but needs to lie between 1 and {LARGEST}")
    if not 0 <= seed <= 2**32 - seeds:
        raise OptionError(f"--seed is {seed} but needs to lie between 0 and 2**32 - {seeds}")
    if "out" not in parser.parameters:
        raise OptionError(f"{parser.experiment} has no option --out and cannot be swept")
    if "seed" in parser.parameters:
        return {"seed": [str(seed + k) for k in range(seeds)]}
    if (seeds, seed) != (1, 0):
        raise OptionError(f"{parser.experiment} has no option --seed and cannot be swept over seeds")
    return {}


def _run(parser, own, point, files):
    """The run at a point of the grid; `files` learns its input files."""
    words = (*own, *itertools.chain(*(parser.words(name, value) for name, value in point.items())))
    options = {name: value for name, value in parser.options(words).items() if name == "seed" or name not in OWN}
    inputs = {name: _place(name, value, files) for name, value in options.items() if isinstance(value, Path)}
    options |= inputs
    swept = {name: point[name] if name in inputs else options[name] for name in point}
    hashed = settings_hash({**_identity(parser.experiment), **options})
    readable = re.sub(r"[^\w.=+-]", "_", "-".join(f"{name}={value}" for name, value in swept.items()), flags=re.ASCII)
    return Task(f"{readable[:60]}-{hashed}".lstrip(".-"), parser.experiment, words, options, inputs, swept)


def _place(name, path, files):
    """Where in the folder of the sweep a copy of an input file is: below the hash of its content."""
    if path not in files:
        if name == "case":
            load_case(path)  # refuses what is no case
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CaseError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
        files[path] = f"inputs/{hashlib.sha256(content).hexdigest()[:16]}/{path.name}", content
    return files[path][0]


def _identity(experiment):
    """What decides a result besides the options."""
    release = re.split(r"\.dev|\+", __version__)[0]  # what changes from one commit to the next is the code of each run
    return {"schema_version": SCHEMA_VERSION, "version": release, "experiment": experiment}


def _settings(experiment, runs, axes):
    """What decides the results of a sweep: one sweep has one of it."""
    common = {name: value for name, value in runs[0].options.items() if name not in axes}
    over = {name: list(dict.fromkeys(run.options[name] for run in runs)) for name in axes}
    return jsonable({**_identity(experiment), "options": common, "over": over})
