"""The figures of fronts, whole, at a tiny size."""

from __future__ import annotations

import json

import pytest

from reproduce_jobs import do
from twostep_rs.reproduce import Request, Store, registry

TINY = (
    "simulation.parameters=0.25,0.2",
    "simulation.particles=400",
    "stage_1.steps=4",
    "stage_1.batch=64",
    "stage_1.width=8",
    "stage_1.depth=2",
    "stage_2.steps=4",
    "stage_2.batch=50",
    "stage_2.width=8",
    "stage_2.depth=1",
    "evaluation.particles=200",
    "evaluation.references=2",
    "evaluation.floor_pairs=2",
    "convergence.parameters=0.25",
    "convergence.particles=200",
    "convergence.seeds=2",
    "convergence.generations=4",
    "threads=1",
)
# The second is no diffusivity of the paper.
PLANE = Request(overrides=(*TINY, "evaluation.parameters=0.25,0.2"))
SPACE = Request(overrides=(*TINY, "evaluation.parameters=0.25"))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [f"figure-{k}" for k in range(10, 16)])
def test_every_figure_is_made_with_its_verdicts(store, name):
    summary = do(registry.get(name), PLANE if name < "figure-13" else SPACE, store)
    assert list(summary.figures) == [name]
    json.dumps(summary.numbers)
    for table in summary.tables:
        assert {len(line) for line in table.lines} == {len(table.heading)}
    claims = {"figure-10": 0, "figure-11": 2, "figure-12": 2}
    claims |= {"figure-13": 0, "figure-14": 2, "figure-15": 1}
    assert len(summary.claims) == claims[name]


@pytest.mark.slow
def test_what_the_paper_does_not_print_has_no_number_beside_it(store):
    (table,) = do(registry.get("figure-11"), PLANE, store).tables
    printed = [
        [line[k] for k, head in enumerate(table.heading) if head == "printed"]
        for line in table.lines
    ]
    assert printed[0] == ["0.04766", "0.01376"]
    assert printed[1] == ["", ""]
