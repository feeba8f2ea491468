"""The ranking as a table, by hand and of a whole study; notebooks that show patients, executed without a browser."""

import json
import math
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from lab import check_saved
from made_up import explored_study, write_cohort

from brats_al_utils import InputError
from brats_al_utils.beyond.arms import NOTEBOOKS, explored
from brats_al_utils.beyond.bundles.published import export, unpack_study
from brats_al_utils.beyond.explorer import explorer
from brats_al_utils.findings import evidence
from brats_al_utils.queries.uncertainty import AGGREGATES, PAIRS, score
from brats_al_utils.show import notebooks
from brats_al_utils.study.arms import DATASETS, Arm
from brats_al_utils.study.places import Places
from brats_al_utils.study.stages import advance
from brats_al_utils.study.study import Study


def table() -> pd.DataFrame:
    """Return ten slices of one run, by rank; A chooses the first four, B those of even rank, C none but the last."""
    rank = np.arange(1, 11)
    found = pd.DataFrame({"slice_id": 100 + rank, "run": 1, "rank": rank, "decile": rank, "probability": rank / 10})
    found["uncertainty"] = 2.0 - rank / 10
    found["patient_id"] = [f"p{number // 2}" for number in range(10)]
    found["label"] = [1, 1, 0, 1, 1, 0, 0, 1, 1, 1]
    found["class_name"] = np.where(found["label"], "HGG", "LGG")
    found["site"] = ["S1"] * 5 + ["S2"] * 5
    found["low"], found["high"] = [0.4] * 3 + [0.6] * 7, 0.9
    return found.assign(A=rank <= 4, B=rank % 2 == 0, C=rank == 10)


def of_table(rows: pd.DataFrame) -> explorer.Ranking:
    return explorer.Ranking("imbalanced", rows, ("low", "high"), (), ("A", "B", "C"))


FILTERS = [
    ({}, list(range(1, 11))),
    ({"class_name": "LGG"}, [3, 6, 7]),
    ({"site": "S2"}, [6, 7, 8, 9, 10]),
    ({"patient_id": "p1"}, [3, 4]),
    ({"decile": "7"}, [7]),
    ({"chosen": "A"}, [1, 2, 3, 4]),
    ({"spared": "B"}, [1, 3, 5, 7, 9]),
    ({"chosen": "B", "spared": "B"}, []),
    ({"patient_id": "<p1>"}, []),
]


@pytest.mark.parametrize(("wanted", "ranks"), FILTERS)
def test_a_filter_keeps_what_it_names(wanted: dict[str, str], ranks: list[int]) -> None:
    assert explorer.filtered(table(), wanted)["rank"].tolist() == ranks


def test_two_arms_by_hand() -> None:
    """A has 4 and B 5 of 10 slices: at random both would choose 2, only A 2, only B 3, neither 3."""
    found = explorer.compared(table(), "A", "B")
    assert list(found.index) == list(explorer.GROUPS)
    assert found["slices"].tolist() == [2, 2, 3, 3]
    assert found["expected"].tolist() == pytest.approx([2, 2, 3, 3])
    assert found["patients"].tolist() == [2, 2, 3, 3]  # 2 and 4; 1 and 3; 6, 8 and 10; 5, 7 and 9
    assert found["positive_share"].tolist() == pytest.approx([1, 1 / 2, 2 / 3, 2 / 3])
    assert found["uncertainty"].tolist() == pytest.approx([1.7, 1.8, 1.2, 1.3])
    found = explorer.compared(table(), "A", "C")
    assert found["slices"].tolist() == [0, 4, 1, 5]
    assert found["expected"].tolist() == pytest.approx([0.4, 3.6, 0.6, 5.4])
    assert math.isnan(found["positive_share"]["both"])


def test_overlap_shares_of_deciles_and_examples() -> None:
    found = explorer.overlap(of_table(table()))
    assert list(found.loc["A"]) == pytest.approx([1, 0.5, 0])
    assert list(found.loc["B"]) == pytest.approx([0.4, 1, 0.2])
    assert list(found.loc["C"]) == pytest.approx([0, 1, 1])
    other = table().assign(run=2, A=False)
    found = explorer.by_decile(of_table(pd.concat([table(), other])))
    assert found["arm"].unique().tolist() == ["A", "B", "C"]
    assert found.query("arm == 'A'")["share"].tolist() == [0.5] * 4 + [0] * 6
    assert found.query("arm == 'C'")["share"].tolist() == [0] * 9 + [1]
    assert explorer.along(table(), 4)["rank"].tolist() == [1, 4, 7, 10]
    assert explorer.along(table().head(3), 8)["rank"].tolist() == [1, 2, 3]


def test_what_was_found_is_computed() -> None:
    """Two of the first three slices are HGG, 7 of 10 in all; on three, the members are on different sides."""
    text = explorer.said(of_table(table()), "synthetic cohort (5 patients)", "HGG")
    assert "67% of the three most uncertain deciles are HGG, of all training slices 70%" in text
    assert "On 30% of the training slices the members" in text
    assert "A and B choose 2 of the same slices; had both drawn as many at random, 2.0 would be expected." in text


def test_terms_by_hand() -> None:
    """Of a member that says 1/2 and 1/2, and one that says 1/4 and 3/4; with the divergence they add up, see below."""
    both = np.array([[[0.5, 0.5]], [[0.25, 0.75]]])
    found = explorer.terms(both, ["one", "two"], "ordered", "sum")
    assert list(found) == ["entropy of one", "entropy of two", "divergence of one, two"]
    assert found["entropy of one"] == pytest.approx(math.log(2))
    assert found["entropy of two"] == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))


@given(
    arrays(np.float64, st.tuples(st.integers(2, 4), st.integers(1, 5)), elements=st.floats(0, 1)),
    st.sampled_from(PAIRS),
    st.sampled_from(AGGREGATES),
)
def test_the_terms_add_up_to_the_uncertainty(high: np.ndarray, pairs: str, aggregate: str) -> None:
    both = np.stack([1 - high, high], axis=-1)
    found = explorer.terms(both, [str(member) for member in range(len(high))], pairs, aggregate)
    np.testing.assert_allclose(sum(found.values()), score(both, pairs, aggregate), atol=1e-12)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Open a study of made-up pictures whose runs are made up too."""
    folder = tmp_path_factory.mktemp("explored")
    return explored_study(write_cohort(folder / "lung", masked=True), folder / "out")


def test_the_ranking_is_the_one_that_selects(study: Study) -> None:
    arms = explored(study.profile)
    found = explorer.ranking(study, advance(study, arms), arms)
    assert found.arms == ("proposed", "random", "placebo", "0%-30%", "70%-100%")
    expected = evidence.ranking(study)
    training = len(study.ids(DATASETS[0], "training", 0))
    for run in (1, 2):
        rows, known = found.of_run(run), expected[expected["seed"] == run - 1]
        assert rows["rank"].tolist() == list(range(1, training + 1))
        assert rows["slice_id"].tolist() == known["slice_id"].tolist()
        assert rows["patient_id"].tolist() == known["patient_id"].tolist()
        np.testing.assert_array_equal(rows["uncertainty"], known["uncertainty"])
        np.testing.assert_allclose(rows[list(found.terms)].sum(axis=1), rows["uncertainty"])
        np.testing.assert_allclose(rows[list(found.members)].mean(axis=1), rows["probability"])
        count = round(0.3 * training)
        assert set(rows.loc[rows["0%-30%"], "rank"]) == set(range(1, count + 1))
        assert set(rows.loc[rows["70%-100%"], "rank"]) == set(range(training - count + 1, training + 1))
        assert rows["proposed"].sum() == rows["random"].sum() == count
        assert not rows.loc[rows["decile"].isin([1, 10]), "proposed"].any()
        assert rows["first"].sum() == study.profile.labelled_slices(training)
        assert rows["decile"].value_counts().between(training // 10, training // 10 + 1).all()


def test_arms_of_two_sets_or_of_one_name_are_refused(study: Study) -> None:
    one = explored(study.profile)[0]
    for others in ([Arm("other", one.start, 1, dataset="balanced")], [one]):
        with pytest.raises(InputError, match="expected different ones of one set"):
            explorer.ranking(study, [], [one, *others])


@pytest.mark.parametrize("published", [False, True], ids=["folder", "bundle"])
def test_nothing_of_a_patient_is_in_the_executed_notebook(published: bool, tmp_path: Path) -> None:
    data = write_cohort(tmp_path / "clinic", masked=True, person="nobody-", both=published)
    out = tmp_path / "out"
    study = explored_study(data, out)
    if published:
        bundle, out = tmp_path / "lung.bundle", tmp_path / "again"
        export(study, bundle, ["09_explore"], with_ids=True)
        data = out / "outputs"
        unpack_study(bundle, data)
    parameters = {"profile": "smoke", "data": str(data), "out": str(out), "device": "cpu"}
    executed = notebooks.execute(notebooks.find(NOTEBOOKS, ["09"])[0], parameters, Places.of("smoke", out))
    saved = nbformat.read(executed, as_version=4)
    first = next(output for cell in saved.cells for output in cell.get("outputs", []))
    assert first.get("name") == "stdout", "a line comes before the first picture and before what takes long"
    check_saved(saved, out, 3)
    assert {path.stem for path in out.glob("*.png")} == {"along_the_ranking", "uncertainty", "choices"}
    rest = json.dumps(saved)
    said = "images of patients are not part" if published else "this cohort has none"
    assert said in rest
    assert "choose " in rest and "of the same slices" in rest
    assert not list((out / "outputs").rglob("images"))
