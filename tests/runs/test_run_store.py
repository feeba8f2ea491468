"""A run's key, and a store that gives back what was put in or nothing."""

import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from conftest import write_release

from brats_al_utils import InputError
from brats_al_utils.cohorts.preparation import prepare
from brats_al_utils.cohorts.readers import read_cohort
from brats_al_utils.cohorts.slices import SliceRule, SliceSet
from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.networks.training import Settings
from brats_al_utils.runs.computing import compute_run
from brats_al_utils.runs.records import records
from brats_al_utils.runs.run import Result, Run
from brats_al_utils.runs.store import RunStore

SETTINGS = Settings(epochs=2, batch_size=16, learning_rate=0.001, momentum=0.8, weight_decay=0.0001)
RUN = Run("f" * 64, (0, 1, 2), (3, 4), (5, 6), (), "scratch", False, SETTINGS, weights_seed=1, order_seed=2)
ARRAYS = {
    "train_loss": np.array([0.7, 0.6]),
    "validation_auc": np.array([0.5, 1.0]),
    "probability/validation": np.array([0.1, 0.9]),
    # Strided: what it holds must be kept, not the memory behind it.
    "probability/test": np.array([[0.2, 0.8], [0.4, 0.6]])[:, 1],
    "views/features": np.ones((3, 4), np.float16),
}
RESULT = Result(RUN, ARRAYS, 2, 1.5, {"device": "cpu"})


@pytest.fixture(scope="module")
def slice_set(tmp_path_factory: pytest.TempPathFactory) -> SliceSet:
    root = tmp_path_factory.mktemp("release")
    release = write_release(root / "release", 3, 3)
    return prepare(read_cohort(release), SliceRule(per_patient=2, image_size=64), root / "set")


def run_on(slices: SliceSet) -> Run:
    training, validation, test = (tuple(slices.ids(part).tolist()) for part in PARTS)
    return replace(RUN, data=slices.fingerprint, training=training, validation=validation, test=test)


def test_the_key_is_stable() -> None:
    """Written down once: a change would orphan every stored run, so it must come with a new ``PROTOCOL``."""
    assert RUN.key == "8fc5527a2648878770ffe366cdef1b61c00a2235bf4690b471d084721b2a2961"


CHANGES: dict[str, Any] = {"data": "0" * 64, "training": (0, 1, 3), "pool": (0, 1), "start": "imagenet", "freeze": True}
CHANGES |= {"weights_seed": 5, "order_seed": 5, "network": "resnet18", "views": ("features",), "protocol": 1}
CHANGED = [replace(RUN, **{name: value}) for name, value in CHANGES.items()]
CHANGED += [replace(RUN, settings=replace(SETTINGS, **{name: CHANGES["weights_seed"]})) for name in vars(SETTINGS)]


def test_whatever_decides_the_result_is_in_the_key() -> None:
    assert len({RUN.key, *(run.key for run in CHANGED)}) == 1 + len(CHANGED)


def test_a_result_comes_back_as_it_was(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    assert store.load(RUN) is None
    store.save(RESULT)
    found = store.load(RUN)
    assert found is not None
    assert (found.run, found.best_epoch, found.seconds, found.facts) == (RUN, 2, 1.5, {"device": "cpu"})
    assert set(found.arrays) == set(ARRAYS)
    for name, values in ARRAYS.items():
        np.testing.assert_array_equal(found.arrays[name], values, strict=True)
    assert [path.name for path in store.folder.iterdir()] == [f"{RUN.key}.safetensors"]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda content: content[:-7],
    "a bit": lambda content: content[:-7] + bytes([content[-7] ^ 4]) + content[-6:],
    "a fact": lambda content: content.replace(b'best_epoch\\": 2', b'best_epoch\\": 1'),
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_reported_and_set_aside(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    store = RunStore(tmp_path)
    store.save(RESULT)
    content = store.path(RUN).read_bytes()
    assert damage(content) != content
    store.path(RUN).write_bytes(damage(content))
    with pytest.warns(UserWarning, match=f"{RUN.key}.safetensors: damaged .* set aside as .* computed again"):
        assert store.load(RUN) is None
    assert len(list((tmp_path / "damaged").iterdir())) == 1
    store.save(RESULT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.load(RUN) is not None


def test_a_disk_that_fails_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(tmp_path)
    store.save(RESULT)
    with monkeypatch.context() as patch:
        patch.setattr("brats_al_utils.runs.store.read_result", Mock(side_effect=PermissionError("as planned")))
        with pytest.raises(PermissionError):
            store.load(RUN)
    assert store.load(RUN), "still there"


def test_another_run_s_result_under_this_name_is_refused(tmp_path: Path) -> None:
    store, other = RunStore(tmp_path), replace(RUN, order_seed=9)
    store.save(replace(RESULT, run=other))
    store.path(other).rename(store.path(RUN))
    with pytest.warns(UserWarning, match="the result of another run"):
        assert store.load(RUN) is None


def test_a_result_is_held_as_long_as_its_file_is_whole(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    assert not store.holds(RUN)
    store.save(RESULT)
    assert [store.holds(RUN) for _ in range(2)] == [True, True]
    store.path(RUN).write_bytes(store.path(RUN).read_bytes()[:-7])
    with pytest.warns(UserWarning, match="damaged"):
        assert not store.holds(RUN)


@pytest.mark.parametrize("milliseconds", [1, 20])
def test_killed_while_writing_leaves_no_half_file(tmp_path: Path, milliseconds: int) -> None:
    """A process that saves over and over is killed; whatever is then found under the run's name is whole."""
    code = (
        "import sys; sys.path[:0] = ['tests', 'tests/runs']; from test_run_store import RESULT, RunStore, Path\n"
        f"store = RunStore(Path({str(tmp_path)!r})); print('go', flush=True)\nwhile True: store.save(RESULT)"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(milliseconds / 1000)
        process.kill()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RunStore(tmp_path).load(RUN)  # would warn of a damaged file
    assert process.returncode == -signal.SIGKILL


def test_a_run_obeys_its_number_of_threads(slice_set: SliceSet) -> None:
    """To the bit whatever the process had, which it has again afterwards."""
    run, before, found = run_on(slice_set), torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(compute_run(run, slice_set, torch.device("cpu")))
            assert torch.get_num_threads() == threads
        two = compute_run(replace(run, settings=replace(SETTINGS, threads=2)), slice_set, torch.device("cpu"))
    finally:
        torch.set_num_threads(before)
    assert [result.facts["threads"] for result in (*found, two)] == ["1", "1", "2"]
    for name, values in found[0].arrays.items():
        assert values.tobytes() == found[1].arrays[name].tobytes(), name


def test_what_is_known_of_runs_without_their_numbers(tmp_path: Path) -> None:
    """A line each, with ids as their count and hash; worked out by hand."""
    store, failed = RunStore(tmp_path), replace(RUN, order_seed=9)
    store.save(RESULT)
    store.save_failure(failed, "planned", "ValueError: as planned")
    broken, no_epoch = "0" * 64, "1" * 64
    (tmp_path / f"{broken}.safetensors").write_bytes(b"")
    content = store.path(RUN).read_bytes().replace(b'best_epoch\\": 2', b'best_epoch\\": 9')
    (tmp_path / f"{no_epoch}.safetensors").write_bytes(content)
    unread = replace(RUN, order_seed=10)
    store.failure(unread).write_bytes(b"\xff{")
    for path in (store.path(RUN), store.failure(failed)):
        shutil.copy(path, path.with_stem(f"{path.stem} (conflicted copy)"))
    known = {record["key"]: record for record in records(store)}
    damaged = dict.fromkeys((broken, no_epoch, unread.key), "damaged")
    states = {key: record["state"] for key, record in known.items()}
    assert states == {RUN.key: "done", failed.key: "failed"} | damaged
    assert known[RUN.key]["seconds"] == 1.5
    digest = sha256(np.array([0, 1, 2], np.int64).tobytes()).hexdigest()[:16]
    assert known[RUN.key]["run"]["training"] == {"slices": 3, "sha256": digest}
    assert known[RUN.key]["run"]["pool"]["slices"] == 0
    assert known[failed.key]["why"] == "ValueError: as planned"


def test_views_change_nothing_else(slice_set: SliceSet) -> None:
    plain = replace(run_on(slice_set), network="googlenet", pool=run_on(slice_set).training)
    run = replace(plain, views=("features",))
    arrays = compute_run(run, slice_set, torch.device("cpu")).arrays
    shapes = {name: (values.shape, values.dtype.name) for name, values in arrays.items() if name.startswith("views/")}
    assert shapes == {"views/features": ((len(run.pool), 1024), "float16")}
    without = compute_run(plain, slice_set, torch.device("cpu")).arrays
    assert set(without) == set(arrays) - set(shapes)
    for name, values in without.items():
        np.testing.assert_array_equal(values, arrays[name])


def test_image_passes_by_hand() -> None:
    """Two epochs of 3 slices; 2 of validation after each; 2 of the test set four times at most.

    After the last epoch, with the best weights, and so with the tumour and with all else hidden.
    """
    assert RUN.images == 2 * 3
    assert RUN.evaluation_images == 2 * 2 + 4 * 2
    pool = replace(RUN, pool=(0, 1, 2))
    assert pool.evaluation_images == 12 + 3
    assert replace(pool, views=("features",)).evaluation_images == 12 + 3 + 3


def test_a_run_with_a_patient_in_two_parts_is_refused(slice_set: SliceSet) -> None:
    run = run_on(slice_set)
    with pytest.raises(InputError, match="patients in more than one part: Brats18_SITE"):
        compute_run(replace(run, training=(*run.training, run.test[0])), slice_set, torch.device("cpu"))
