"""Clouds and point files: what is read is what was written, or an error that names the field."""

from __future__ import annotations

import numpy as np
import pytest

from twostep_rs.errors import FileFormatError, InputError, RunDirectoryError
from twostep_rs.runs import clouds
from twostep_rs.runs.points import read_points, write_points
from twostep_rs.systems import Cloud

RNG = np.random.default_rng(0)
CLOUD = Cloud(RNG.normal(size=(50, 3)), RNG.normal(size=(50, 3)), paired=True)


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "clouds" / "15.0.npz"
    clouds.write_cloud(file, CLOUD, 15.0)
    return file


def test_a_cloud_comes_back(path):
    cloud = clouds.read_cloud(path, 15.0, 50, 3)
    assert np.array_equal(cloud.source, CLOUD.source)
    assert np.array_equal(cloud.target, CLOUD.target)
    assert cloud.paired


@pytest.mark.parametrize("length", [0, 10, 500, -30])
def test_a_truncated_file_is_named(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(FileFormatError, match=r"15.0.npz: expected a whole .npz file"):
        clouds.read_cloud(path, 15.0, 50, 3)


def test_a_flipped_byte_is_found(path):
    content = bytearray(path.read_bytes())
    content[700] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(FileFormatError, match=r"15\.0\.npz: "):
        clouds.read_cloud(path, 15.0, 50, 3)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileFormatError, match=r"none.npz: expected a file, got No such file"):
        clouds.read_cloud(tmp_path / "none.npz", 15.0, 50, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": np.int64(2)}, "format: expected 1, got 2"),
        ({"target": CLOUD.target[:49]}, r"target: expected shape \(50, 3\), got \(49, 3\)"),
        ({"target": CLOUD.target.astype(np.int64)}, "target: expected dtype of kind 'f', got "),
        ({"source": None}, "source: expected dtype of kind 'f', got nothing"),
        ({"source": CLOUD.source[:, :2]}, "target: expected shape"),
        ({"target": np.full((50, 3), np.nan)}, "target: expected finite values"),
        ({"parameter": np.float64(16)}, "parameter: expected 15.0, got 16.0"),
        ({"paired": np.array(["yes"])}, "paired: expected dtype of kind 'b'"),
    ],
)
def test_a_field_that_does_not_fit_is_named(path, change, message):
    fields = {
        "format": np.int64(1),
        "source": CLOUD.source,
        "target": CLOUD.target,
        "paired": np.bool_(True),
        "parameter": np.float64(15.0),
    } | change
    np.savez(path, **{name: value for name, value in fields.items() if value is not None})
    with pytest.raises(FileFormatError, match=message):
        clouds.read_cloud(path, 15.0, 50, 3)


def test_pickles_are_never_opened(path):
    np.savez(path, format=np.int64(1), target=np.array([print], dtype=object))
    with pytest.raises(FileFormatError, match="allow_pickle"):
        clouds.read_cloud(path, 15.0, 50, 3)


def test_the_gallery_comes_back(tmp_path):
    shown = {20.0: {0: CLOUD.source, 1: CLOUD.target}, 60.0: {0: CLOUD.target, 1: CLOUD.source}}
    clouds.write_gallery(tmp_path / "evaluation.npz", shown)
    read = clouds.read_gallery(tmp_path / "evaluation.npz")
    assert list(read) == [20.0, 60.0]
    assert np.allclose(read[60.0][1], CLOUD.source, atol=1e-6)
    clouds.write_arrays(tmp_path / "evaluation.npz", {"parameters": np.zeros(2)})
    with pytest.raises(FileFormatError, match=r"evaluation.npz: stages: expected .* got nothing"):
        clouds.read_gallery(tmp_path / "evaluation.npz")


@pytest.mark.parametrize("name", ["cloud.npz", "cloud.npy"])
def test_points_come_back(tmp_path, name):
    write_points(tmp_path / name, CLOUD.source, CLOUD.target, 20.0)
    assert np.array_equal(read_points(tmp_path / name), CLOUD.target)


def test_points_are_read_from_text(tmp_path):
    (tmp_path / "a.csv").write_text("# x, y\n0, 1\n2.5, -3e-1\n")
    assert read_points(tmp_path / "a.csv").tolist() == [[0.0, 1.0], [2.5, -0.3]]


def test_points_of_an_unknown_kind_are_not_written(tmp_path):
    with pytest.raises(InputError, match=r"out: expected a name that ends in .npz or .npy"):
        write_points(tmp_path / "cloud.txt", CLOUD.source, CLOUD.target, 20.0)


def test_points_that_cannot_be_written_are_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="expected to write here, got "):
        write_points(tmp_path / "file" / "b.npy", CLOUD.source, CLOUD.target, 20.0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"1,2\n3\n", "a.csv: expected points, got "),
        ("a.csv", b"1,zebra\n", "a.csv: expected points, got "),
        ("a.csv", b"1,inf\n", "points: expected finite values"),
        ("a.csv", b"", "points: expected at least one point"),
        ("a.csv", b"\xff\xfe", "a.csv: expected points, got "),
        ("a.npy", b"nothing of the kind", "a.npy: expected points, got "),
        ("a.npz", b"PK\x03\x04", "a.npz: expected points, got "),
    ],
)
def test_files_without_points_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        read_points(tmp_path / name)


def test_an_archive_without_a_target_is_ambiguous(tmp_path):
    np.savez(tmp_path / "a.npz", x=CLOUD.source)
    assert np.array_equal(read_points(tmp_path / "a.npz"), CLOUD.source)
    np.savez(tmp_path / "a.npz", x=CLOUD.source, y=CLOUD.source)
    with pytest.raises(FileFormatError, match="none of them 'target'"):
        read_points(tmp_path / "a.npz")
