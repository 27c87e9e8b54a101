from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from training_problem import STAGE_1, STAGE_2, Shift, clouds, unpaired
from twostep_rs.errors import ConvergenceError, DeviceError, FileFormatError, InputError
from twostep_rs.methods import meanflow
from twostep_rs.models.generator import Generator
from twostep_rs.systems import Cloud
from twostep_rs.training import loop, stage_2
from twostep_rs.training.checkpoint import CheckpointFile
from twostep_rs.training.data import TrainingData

DATA = TrainingData.from_clouds(clouds())


def weights(net):
    return torch.cat([tensor.flatten() for tensor in net.state_dict().values()])


class KilledError(Exception):
    pass


def killed_at(step):
    def progress(done, _):
        if done == step:
            raise KilledError

    return progress


def run_stage_1(config=STAGE_1, **options):
    return meanflow.train(DATA, config, seed=0, **options)


@pytest.fixture(scope="module")
def first():
    return run_stage_1()


def run_stage_2(first, config=STAGE_2, **options):
    return stage_2.train(first, DATA, config, seed=0, prior=Shift().prior, **options)


@pytest.mark.parametrize(
    ("method", "coupling"), [("meanflow", "paired"), ("imf", "paired"), ("imf", "exact")]
)
def test_stage_1_learns_a_shift_and_extrapolates_it(method, coupling):
    config = replace(
        STAGE_1, width=32, steps=500, batch=128, method=method, coupling=coupling, ema=0.99
    )
    net = run_stage_1(config)
    source = torch.from_numpy(Shift().prior(500, 99)).float()
    for parameter, tolerance in ((1.0, 0.15), (3.0, 0.15), (5.0, 0.3)):
        target = net.transport(source, torch.full((500, 1), parameter))
        moved = target - source - torch.tensor([parameter, 0.0])
        assert moved.square().mean().sqrt() < tolerance


def test_stage_2_corrects_a_wrong_stage_1():
    """Stage I moves too far by (0.5, -0.5); without noise the corrector takes that back."""

    class Wrong(Generator):
        def transport(self, source, parameter, *, evaluations=None, random=None):
            return source + torch.cat([parameter + 0.5, torch.full_like(parameter, -0.5)], dim=1)

    config = replace(STAGE_2, width=32, steps=300, batch=100, batch_period=5, refresh=5, ema=0.9)
    wrong = Wrong()
    net = stage_2.train(wrong, DATA, replace(config, learning_rate=5e-3), seed=0)
    source = torch.from_numpy(Shift().prior(2000, 99)).float()
    for parameter in (1.0, 2.5, 4.0):
        column = torch.full((2000, 1), parameter)
        x = wrong.transport(source, column)
        correction = (net(x, source, column) - x).mean(0)
        torch.testing.assert_close(correction, torch.tensor([-0.5, 0.5]), rtol=0, atol=0.08)


@pytest.mark.parametrize("step", [1, 17, 30])
def test_stage_1_resumes_to_the_same_bits(tmp_path, step):
    path = tmp_path / "stage_1.ckpt"
    with pytest.raises(KilledError):
        run_stage_1(checkpoint=CheckpointFile(path, 0.0), progress=killed_at(step))
    resumed = run_stage_1(checkpoint=CheckpointFile(path, 0.0))
    assert torch.equal(weights(resumed), weights(run_stage_1()))


@pytest.mark.parametrize("step", [1, 3, 4, 6, 8, 12])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"debias": False, "source": "prior", "inputs": "position"},
        {"pool": 2, "visits": 2, "batch_period": 1, "refresh": 1, "ahead": 2},
    ],
)
def test_stage_2_resumes_to_the_same_bits(first, tmp_path, step, change):
    config = replace(STAGE_2, **change)
    path = tmp_path / "stage_2.ckpt"
    with pytest.raises(KilledError):
        run_stage_2(first, config, checkpoint=CheckpointFile(path, 0.0), progress=killed_at(step))
    resumed = run_stage_2(first, config, checkpoint=CheckpointFile(path, 0.0))
    assert torch.equal(weights(resumed), weights(run_stage_2(first, config)))


def test_stage_2_behind_another_number_of_evaluations_is_another_training(first, tmp_path):
    path = tmp_path / "stage_2.ckpt"
    run_stage_2(first, checkpoint=CheckpointFile(path, 0.0))
    followed = copy.deepcopy(first).with_evaluations(4)
    with pytest.raises(FileFormatError, match="expected a checkpoint of this configuration"):
        run_stage_2(followed, checkpoint=CheckpointFile(path, 0.0))


def test_one_seed_fixes_everything_and_another_changes_it(first):
    assert torch.equal(weights(run_stage_1()), weights(first))
    other = meanflow.train(DATA, STAGE_1, seed=1)
    assert not torch.equal(weights(other), weights(first))


def test_the_global_generator_of_torch_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    run_stage_1()
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("damage", ["truncated", "foreign", "other"])
def test_a_checkpoint_that_does_not_belong_is_refused_and_kept(tmp_path, damage):
    path = tmp_path / "stage_1.ckpt"
    with pytest.raises(KilledError):
        run_stage_1(checkpoint=CheckpointFile(path, 0.0), progress=killed_at(3))
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    elif damage == "foreign":
        torch.save({"weights": torch.zeros(3)}, path)
    before = path.read_bytes()
    config = replace(STAGE_1, learning_rate=1e-4) if damage == "other" else STAGE_1
    with pytest.raises(FileFormatError, match=r"stage_1\.ckpt"):
        run_stage_1(config, checkpoint=CheckpointFile(path, 0.0))
    assert path.read_bytes() == before


def test_a_loss_that_overflows_is_an_error():
    with pytest.raises(ConvergenceError, match=r"loss: expected a (finite )?number"):
        run_stage_1(replace(STAGE_1, learning_rate=1e30, clip=1e30))


def test_a_training_that_diverges_is_an_error():
    class Diverging:
        fingerprint = ""
        step = 0
        resumable = False

        def advance(self):
            self.step += 1

        def metrics(self):
            return {"loss": 10.0 ** (4 * self.step)}

    training = Diverging()
    with pytest.raises(ConvergenceError, match=r"expected a number below 1e\+13, got .* at step 4"):
        loop.run(training, 10)


def test_what_a_loss_was_before_a_kill_still_counts_after_it(tmp_path):
    class Rising:
        fingerprint = ""
        resumable = True

        def __init__(self):
            self.step = 0

        def advance(self):
            self.step += 1

        def metrics(self):
            return {"loss": [0.0, 1.0, 1e7, 1e14][self.step - 1]}

        def state(self):
            return {"step": self.step}

        def restore(self, state):
            self.step = state["step"]

    checkpoint = CheckpointFile(tmp_path / "stage_1.ckpt", 0.0)
    with pytest.raises(KilledError):
        loop.run(Rising(), 4, checkpoint=checkpoint, progress=killed_at(3))
    with pytest.raises(ConvergenceError, match=r"expected a number below 1e\+09, got 1000"):
        loop.run(Rising(), 4, checkpoint=checkpoint)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:99", "meta", "nonsense"])
def test_a_device_that_is_not_there_is_an_error(device):
    with pytest.raises(DeviceError, match=f"device: expected .*, got '{device}'"):
        run_stage_1(device=device)


def test_logged_rows_have_steps_and_seconds(first):
    rows = []
    run_stage_2(first, log=rows.append)
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert rows[-1]["seconds_couplings"] > 0.0


def test_paired_training_needs_paired_data():
    data = TrainingData.from_clouds(unpaired(clouds()))
    with pytest.raises(InputError, match="coupling: expected 'independent' or 'exact'"):
        meanflow.train(data, replace(STAGE_1, coupling="paired"), seed=0)
    meanflow.train(data, replace(STAGE_1, coupling="independent"), seed=0)


def test_a_batch_larger_than_the_clouds_is_an_error(first):
    with pytest.raises(InputError, match=r"stage_2\.batch: expected at most the 200 particles"):
        run_stage_2(first, replace(STAGE_2, batch=201, debias=False))
    with pytest.raises(InputError, match=r"stage_2\.batch: expected at most half of the 200"):
        run_stage_2(first, replace(STAGE_2, batch=101))


def test_stage_2_resumes_to_the_same_bits_where_optimal_plans_are_many(first, tmp_path):
    lattice = {p: Cloud(c.source.round(), c.target.round(), True) for p, c in clouds().items()}
    data = TrainingData.from_clouds(lattice)
    path = tmp_path / "stage_2.ckpt"
    for step in (1, 3, 8):
        path.unlink(missing_ok=True)
        with pytest.raises(KilledError):
            stage_2.train(
                first,
                data,
                STAGE_2,
                seed=0,
                checkpoint=CheckpointFile(path, 0.0),
                progress=killed_at(step),
            )
        resumed = stage_2.train(first, data, STAGE_2, seed=0, checkpoint=CheckpointFile(path, 0.0))
        assert torch.equal(weights(resumed), weights(stage_2.train(first, data, STAGE_2, seed=0)))


def test_exact_coupling_lowers_the_cost_and_keeps_the_rows():
    data = TrainingData.from_clouds(unpaired(clouds()))
    coupled = data.coupled("exact")
    costs = [(d.source - d.target).square().sum() for d in (data, coupled)]
    assert costs[1] < 0.7 * costs[0]
    rows = [np.sort(d.target.numpy(), axis=1) for d in (data, coupled)]
    np.testing.assert_array_equal(*rows)


def test_a_training_goes_on_only_on_the_type_of_device_it_began_on(tmp_path):
    path = tmp_path / "stage_1.ckpt"
    run_stage_1(checkpoint=CheckpointFile(path))
    content = torch.load(path)
    content["state"]["device"] = "cuda"
    torch.save(content, path)
    expected = r"stage_1\.ckpt: device: expected cuda, on which this training began, got cpu"
    with pytest.raises(DeviceError, match=expected):
        run_stage_1(checkpoint=CheckpointFile(path))
