"""Tables, figures and the page that carries them."""

from __future__ import annotations

import base64
import html.parser
import io
import re

import numpy as np
import pytest
from matplotlib.image import imread

from twostep_rs import experiments
from twostep_rs.config import EvaluationConfig
from twostep_rs.runs import figures, page, table
from twostep_rs.runs.evaluation import Row
from twostep_rs.runs.progress import Bar, Lines, Silent, choose

EXPERIMENT = experiments.get("ks3d-laminar")
CONFIG = EXPERIMENT.config("quick")
KINDS = [("histogram", "reference"), ("histogram", "joint"), ("exact", None)]


def make_rows(kinds=KINDS):
    return [
        Row(
            "two-step",
            stage,
            parameter,
            parameter <= 150,
            0,
            metric,
            box,
            (0.02 if stage == 1 else 0.006) * parameter / 100,
            1e-4,
            0.005,
            5e-5,
            15_000,
        )
        for metric, box in kinds
        for parameter in CONFIG.evaluation.parameters
        for stage in (1, 2)
    ]


def render(**changes):
    arguments = {
        "title": EXPERIMENT.title,
        "config": CONFIG,
        "rows": make_rows(),
        "axis": "sigma",
        "pictures": [page.Picture(b"\x89PNG...", "A picture & its <caption>")],
        "seconds": {"simulate": 3.25, "couplings": 1.0},
        "environment": {"python": "3.11", "torch": None},
        "printed": EXPERIMENT.printed,
    } | changes
    return page.render(arguments.pop("title"), arguments.pop("config"), arguments.pop("rows"),
                       **arguments)  # fmt: skip


class Reader(html.parser.HTMLParser):
    """Collects tags, and checks that what is opened is closed."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(text):
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader.tags


def test_the_table_shows_figures_errors_and_ratios():
    lines = table.text(make_rows(), CONFIG.evaluation, "sigma").splitlines()
    assert re.split(r"\s{2,}", lines[0].strip()) == [
        "sigma", "floor", "stage I", "W2", "ratio to floor",
        "stage II", "W2", "ratio to floor", "training range",
    ]  # fmt: skip
    assert re.split(r"\s{2,}", lines[2].strip()) == [
        "20", "0.00500 ± 0.00005", "0.00400 ± 0.00010", "0.063", "0.80 ± 0.02",
        "0.00120 ± 0.00010", "0.035", "0.24 ± 0.02", "yes",
    ]  # fmt: skip
    assert lines[6].split()[0] == "200"
    assert lines[6].split()[-1] == "no"
    assert "15000 fresh particles" in lines[-1]
    assert "floor over 3 pairs" in lines[-1]


def test_small_distances_keep_their_digits():
    assert table.plus_minus(0.00042, 0.000012) == "0.0004200 ± 0.0000120"


def test_the_page_stands_alone():
    text = render()
    for tag, attributes in read(text):
        assert tag not in {"script", "link", "iframe"}
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:")
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_holds_tables_pictures_seconds_environment_and_configuration():
    text = render()
    tags = [tag for tag, _ in read(text)]
    # one table for each kind; printed numbers; seconds; environment
    assert tags.count("table") == len(KINDS) + 3
    assert "A picture &amp; its &lt;caption&gt;" in text
    (source,) = [attributes["src"] for tag, attributes in read(text) if tag == "img"]
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == b"\x89PNG..."
    assert "<td>3.2</td>" in text or "<td>3.3</td>" in text
    assert "<td>none</td>" in text
    assert "floor_pairs = 3" in text
    assert "Within the training range stage II is at most 1.68" in text
    assert "Beyond the training range stage II is at most 2.40" in text


def test_printed_numbers_stand_beside_ours_where_there_are_any():
    text = render()
    assert "<td>20</td><td>0.0050</td><td>0.0040</td><td>0.0084</td>" in text
    assert "ours use the same" in text
    assert "the box of the reference" in render(rows=make_rows(KINDS[:1]))
    assert "printed numbers" not in render(printed={})


@pytest.mark.parametrize("kinds", [KINDS, KINDS[:1]], ids=["all", "one"])
def test_the_curve_shows_every_kind_stage_and_the_floor(kinds):
    figure = figures.w2_curve(
        make_rows(kinds), CONFIG.simulation.parameters, "sigma", EXPERIMENT.printed
    )
    assert len(figure.axes) == 2 * len(kinds)
    above = figure.axes[: len(kinds)]
    for axes, (_, box) in zip(above, kinds, strict=True):
        labels = axes.get_legend_handles_labels()[1]
        assert axes.get_yscale() == "log"
        assert {"training range", "sampling floor ± s.e.", "stage I ± s.e."} <= set(labels)
        assert ("stage II, printed" in labels) is (box == "joint")
    figure.savefig(io.BytesIO())


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_projections_share_limits_and_colours(dim):
    rng = np.random.default_rng(0)
    clouds = {stage: rng.normal(size=(2_500, dim)) + stage for stage in (0, 1, 2)}
    clouds[2][0] = 1e6  # flung far away: must not squeeze all others into one cell
    figure = figures.projections(clouds, "title")
    panels = [axes for axes in figure.axes if axes.get_images()]
    rows = len(panels) // 3
    assert rows == {1: 1, 2: 1, 3: 3, 4: 3}[dim]
    for k in range(rows):
        line = panels[3 * k : 3 * k + 3]
        assert len({axes.get_xlim() for axes in line}) == 1
        assert len({axes.get_images()[0].get_clim() for axes in line}) == 1
        assert max(line[0].get_xlim()) < 10
    assert panels[2].texts[0].get_text().endswith("% outside")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    buffer.seek(0)
    assert imread(buffer).ndim == 3


def test_density_integrates_to_the_share_inside():
    points = np.random.default_rng(0).uniform(-1, 1, size=(20_000, 2))
    limits = np.array([[-0.5, 0.5], [-1.0, 1.0]])
    density = figures._density(points, limits)
    area = 1.0 * 2.0 / density.size
    inside = ((points[:, 0] >= -0.5) & (points[:, 0] <= 0.5)).mean()
    assert density.sum() * area == pytest.approx(inside, rel=1e-12)
    assert density.mean() == pytest.approx(0.25, rel=0.05)


def test_losses_are_drawn_for_both_stages_with_gaps():
    metrics = [
        {"stage": stage, "step": step, "loss": None if step == 3 else 1.0 / (step + 1)}
        for stage in (1, 2)
        for step in range(50)
    ]
    figure = figures.losses(metrics)
    for axes in figure.axes:
        assert len(axes.lines[0].get_xdata()) == 49
    figures.losses([]).savefig(io.BytesIO())


def test_lines_come_every_so_often():
    stream = io.StringIO()
    with Lines(stream, seconds=1e9).task("train") as advance:
        for step in range(1000):
            advance(step, 1000)
    assert [line.partition(",")[0] for line in stream.getvalue().splitlines()] == [
        "train ...",
        "train: done",
    ]
    stream = io.StringIO()
    with Lines(stream, seconds=0.0).task("train") as advance:
        advance(7, 9)
    assert "train: 7 of 9, 0:00:00" in stream.getvalue()


def test_a_failed_step_is_not_said_to_be_done():
    stream = io.StringIO()
    with pytest.raises(ValueError, match="x"), Lines(stream).task("train"):
        raise ValueError("x")
    assert "done" not in stream.getvalue()


def test_a_bar_is_drawn_on_a_terminal_only():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    assert isinstance(choose(io.StringIO()), Lines)
    terminal = Terminal()
    progress = choose(terminal)
    assert isinstance(progress, Bar)
    with progress.task("train") as advance:
        advance(5, 10)
        advance(10, 10)
    assert "10/10" in terminal.getvalue()


def test_silence():
    with Silent().task("train") as advance:
        advance(1, 2)
    Silent().note("nothing")


def test_the_presets_are_what_they_say():
    quick, full, paper = (EXPERIMENT.config(preset) for preset in ("quick", "full", "paper"))
    for config in (quick, full, paper):
        assert np.allclose(config.simulation.parameters, 1.5 * 10 ** np.linspace(1, 2, 8))
        assert config.simulation.particles == config.evaluation.particles == 15_000
        assert config.experiment == EXPERIMENT.name
    assert (quick.preset, full.preset, paper.preset) == ("quick", "full", "paper")
    assert quick.evaluation == EvaluationConfig(
        parameters=(20.0, 60.0, 100.0, 140.0, 200.0),
        references=2,
        floor_pairs=3,
        boxes=("reference",),
        metrics=("histogram",),
    )
    assert full.evaluation.parameters == paper.evaluation.parameters
    assert full.evaluation.floor_pairs == 10
    assert (paper.stage_1.method, paper.stage_1.head) == ("meanflow", "plain")
    assert (paper.stage_2.head, paper.stage_2.batch, paper.stage_2.refresh) == ("plain", 1500, 50)


def test_the_printed_numbers_are_those_of_the_table():
    assert EXPERIMENT.printed[1][200.0] == 0.197
    assert EXPERIMENT.printed[2][20.0] == 0.0047
    assert list(EXPERIMENT.printed[2]) == list(EXPERIMENT.config("full").evaluation.parameters)
