"""A search of the same size for the options of every method, on parameters that are in no table.

Some parameters of training are kept from it, one inside the range that is left and the last one
beyond it. A trial is a whole training with other options, drawn without repetition from the
method's grid; the first takes the options as they are. The trial whose distances lie nearest to the
sampling floor, on average over the parameters that were kept, gives the options of the method.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from twostep_rs.reproduce.competition import clouds_run, competitor, scores
from twostep_rs.reproduce.job import DOCUMENT, Computation
from twostep_rs.runs import config_file
from twostep_rs.runs.files import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.config import Config
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.reproduce.entries import Entry
    from twostep_rs.reproduce.job import Place, RunJob
    from twostep_rs.reproduce.target import Request

TRIALS: Mapping[Preset, int] = {"quick": 3, "full": 4, "paper": 4}
"""Trials of every method."""

SEED = 1_000
"""Of clouds and trainings of the search; those that compete have seeds of their own."""

# Factors of the learning rate, and noise on the parameter, for every method.
_RATES = (0.5, 1.0, 2.0)
_JITTERS = (0.05, 0.1, 0.3)

# What a choice of a method is: values of options that go together.
Choice = tuple[str, ...]

SPACES: Mapping[str, Sequence[Sequence[Choice]]] = {
    "meanflow": (
        (("method=imf",), ("method=meanflow",)),
        (("weighting_power=0",), ("weighting_power=0.5",)),
        (("equal_times=0.25",), ("equal_times=0.5",), ("equal_times=0.75",)),
    ),
    "imm": (
        (
            ("middle=eta", "step=0.05"),
            ("middle=eta", "step=0.15"),
            ("middle=eta", "step=0.5"),
            ("middle=uniform", "grounded=0.25"),
        ),
        (("group=16",), ("group=64",)),
        (("bandwidths=1",), ("bandwidths=0.5,1,2",), ("bandwidths=0.25,0.5,1,2,4",)),
    ),
    "shortcut": (
        (("octaves=3",), ("octaves=5",), ("octaves=7",)),
        (("flow_rows=0.5",), ("flow_rows=0.75",), ("flow_rows=0.9",)),
    ),
    "rectified-flow": ((("first=0.3",), ("first=0.5",), ("first=0.7",)),),
    "lsd": ((("equal_times=0.5",), ("equal_times=0.75",), ("equal_times=0.9",)),),
    "psd": (
        (("equal_times=0.5",), ("equal_times=0.75",), ("equal_times=0.9",)),
        (("middle=half",), ("middle=uniform",)),
    ),
    "esd": (
        (("equal_times=0.5",), ("equal_times=0.75",), ("equal_times=0.9",)),
        (("stop=velocity",), ("stop=gradient",), ("stop=derivative",)),
    ),
    "lmd": ((("backward=false",), ("backward=true",)),),
    "eulerian": (
        (("backward=false",), ("backward=true",)),
        (("share=0",), ("share=0.05",), ("share=0.2",)),
    ),
    "fmm": ((("noise=0",), ("noise=0.1",)),),
    "pfmm": ((("jumps=2",), ("jumps=4",), ("jumps=8",)),),
    "w-flow": (
        (("epsilons=0.003",), ("epsilons=0.01",), ("epsilons=0.05",), ("epsilons=0.01,0.1",)),
        (("step_size=0.5",), ("step_size=1",)),
    ),
    "drifting": (
        (
            ("temperatures=0.05",),
            ("temperatures=0.2",),
            ("temperatures=0.02,0.05,0.2",),
        ),
        (("step_size=0.5",), ("step_size=1",)),
    ),
    "flow-matching": ((("coupling=auto",), ("coupling=exact",), ("coupling=independent",)),),
    "sf2m": (
        (("noise=0.02",), ("noise=0.05",), ("noise=0.1",), ("noise=0.4",)),
        (("coupling=auto",), ("coupling=exact",)),
    ),
    "deep-particle": (
        (("inputs=source",), ("inputs=position",)),
        (("residual_weight=0",), ("residual_weight=1e-3",)),
        (("depth=4",), ("depth=6",)),
    ),
}
"""Own options of a method, each with its values; of Deep Particle those of stage II."""


def trial_options(entry: Entry, config: Config, trials: int) -> list[list[str]]:
    """What the trials of an entry change, as ``section.key=value``.

    Args:
        entry: the method.
        config: of its run without changes.
        trials: number of them.

    Returns:
        The changes of every trial; the first changes nothing.
    """
    section = section_of(entry)
    options = getattr(config, section)
    rates = [(f"learning_rate={factor * options.learning_rate:g}",) for factor in _RATES]
    jitters = [(f"jitter={jitter:g}",) for jitter in _JITTERS]
    # A plain head, which is the printed one, takes no noise on the parameter.
    axes = [rates, *([] if options.head == "plain" else [jitters]), *SPACES[entry.method]]
    sizes = [len(axis) for axis in axes]
    # crc32: the same for every process, and another for every entry.
    random = np.random.default_rng([SEED, zlib.crc32(entry.name.encode())])
    drawn = random.choice(math.prod(sizes), min(trials, math.prod(sizes)) - 1, replace=False)
    found: list[list[str]] = [[]]
    for number in drawn:
        places = np.unravel_index(number, sizes)
        choice = itertools.chain(*(axis[k] for axis, k in zip(axes, places, strict=True)))
        found.append([f"{section}.{option}" for option in choice])
    return found


def section_of(entry: Entry) -> str:
    """The part of the configuration that is searched."""
    return "stage_1" if entry.alone else "stage_2"


def trial_runs(entry: Entry, experiment: str, request: Request) -> list[RunJob]:
    """The trainings of an entry's trials, without stage II where stage I competes alone."""
    base = competitor(entry, experiment, request, SEED)
    clouds = _without_kept(clouds_run(experiment, request, SEED))
    options = trial_options(entry, base.config, TRIALS[request.preset])
    return [
        dataclasses.replace(
            _without_kept(base),
            name=f"{experiment}/{request.preset}-search/{entry.name}-{number}",
            config=_trial(_without_kept(base).config, entry, changes),
            clouds_of=dataclasses.replace(
                clouds, name=f"{experiment}/{request.preset}-search/clouds"
            ),
        )
        for number, changes in enumerate(options)
    ]


def search(entry: Entry, experiment: str, request: Request) -> Computation:
    """The job that compares the trials of an entry, whose result has the best options."""
    runs = trial_runs(entry, experiment, request)
    measured = [scores(run) for run in runs]
    base = competitor(entry, experiment, request, SEED)
    return Computation(
        f"{experiment}/{request.preset}-search/{entry.name}",
        choose,
        {
            "trials": [job.name for job in measured],
            "options": trial_options(entry, base.config, TRIALS[request.preset]),
            "stage": 1 if entry.alone else 2,
        },
        needs=tuple(measured),
    )


def choose(
    place: Place, trials: Sequence[str], options: Sequence[Sequence[str]], stage: int
) -> dict[str, Any]:
    """Compare trials.

    Args:
        place: of the job.
        trials: names of the jobs that measured them.
        options: what each changes.
        stage: that is measured.

    Returns:
        ``options`` of the best, and ``trials`` with the ratio to the floor of each, at every
        parameter that was kept and on average; none where the training has diverged.
    """
    found: list[dict[str, Any]] = []
    for name, changes in zip(trials, options, strict=True):
        rows = read_json(place.needed[name] / DOCUMENT)["rows"]
        ratios = {
            f"{row['parameter']:g}": row["w2_squared"] / row["floor"]
            for row in rows
            if row["stage"] == stage
        }
        mean = float(np.mean(list(ratios.values()))) if ratios else None
        found.append({"options": list(changes), "ratio": mean, "ratios": ratios})
    best = int(np.argmin([math.inf if one["ratio"] is None else one["ratio"] for one in found]))
    return {"options": list(options[best]), "trials": found}


def _without_kept(run: RunJob) -> RunJob:
    """The run on the parameters that are left, measured at those that are kept."""
    config = run.config
    every = sorted(config.simulation.parameters)
    kept = (every[len(every) // 2 - 1], every[-1])
    left = tuple(value for value in config.simulation.parameters if value not in kept)
    return dataclasses.replace(
        run,
        config=dataclasses.replace(
            config,
            simulation=dataclasses.replace(config.simulation, parameters=left),
            evaluation=dataclasses.replace(config.evaluation, parameters=kept),
        ),
    )


def _trial(config: Config, entry: Entry, changes: Sequence[str]) -> Config:
    config = config_file.override(config, changes)
    return dataclasses.replace(config, stages=1) if entry.alone else config
