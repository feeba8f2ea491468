"""Tables as people read them: words, signs and units, at most eight columns."""

import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import PICTURES, ROOT

from brats_al_utils import InputError
from brats_al_utils.beyond.comparison import further_tables
from brats_al_utils.show import tables, worth_tables
from brats_al_utils.show.style import save_table

NAN = float("nan")


PERCENTS = [
    ((0.79914, 0.7895, 0.8087), "79.91% (78.95, 80.87)"),
    ((0.9, 0.5, 1.29), "90.00% (50.00, 100.00)"),
    ((0.1, -0.5, 0.2), "10.00% (0.00, 20.00)"),
    ((0.5, NAN, NAN), "50.00%"),
]


@pytest.mark.parametrize(("numbers", "text"), PERCENTS)
def test_an_auc_is_written_as_in_the_paper_never_beyond_what_it_can_be(numbers: tuple[float, ...], text: str) -> None:
    assert tables.percent(*numbers) == text


def test_ours_stand_beside_the_paper_s() -> None:
    columns = ["arm", "part", "unit", "auc_mean", "runs_low", "runs_high"]
    rows = [("proposed", "test", "slice", 0.7, 0.6, 0.8), ("baseline", "test", "patient", 0.5, NAN, NAN)]
    table = tables.beside_the_paper(pd.DataFrame(rows, columns=columns), "table3")
    assert table.loc[("test", "paper, slice-level"), "proposed"] == "82.89% (81.87, 83.91)"
    assert table.loc[("test", "ours, slice-level"), "proposed"] == "70.00% (60.00, 80.00)"
    assert table.loc[("test", "ours, patient-level"), "baseline"] == "50.00%"
    assert table.loc[("validation", "paper, slice-level"), "baseline"] == "87.46% (87.11, 87.81)"
    assert table.columns.name == "AUC (95 % CI, across runs)"


def test_patients_and_slices_are_summed_over_the_sites() -> None:
    rows = [("training", "HGG", "A", 3, 60), ("training", "HGG", "B", 1, 20), ("training", "LGG", "A", 2, 40)]
    rows += [("validation", "HGG", "A", 1, 19), ("validation", "LGG", "A", 1, 18)]
    rows += [("test", "HGG", "A", 1, 17), ("test", "LGG", "A", 1, 16)]
    counts = pd.DataFrame(rows, columns=["part", "class_name", "site", "patients", "slices"])
    table = tables.patients_and_slices(counts, "patients")
    assert list(table.index) == ["training", "validation", "test", "all"]
    assert list(table.loc["training"]) == [4, 2, 6, 80, 40, 120]
    assert table.loc["all", ("slices", "all")] == 190
    assert tables.patients_and_slices(counts, "persons").loc["all", ("persons", "all")] == 10


def test_table5_says_who_can_draw_each_budget() -> None:
    rows = [
        (arm, dataset, share, examples, arm == "random" or share < 0.8, printed)
        for dataset, counts in (("imbalanced", ((0.1, 14, 406), (0.8, 99, 3248))), ("balanced", ((0.1, 10, 487),)))
        for arm in ("proposed", "random")
        for share, examples, printed in counts
    ]
    rows += [(arm, "balanced", 0.8, 77, False, 3896) for arm in ("proposed", "random")]
    columns = ["arm", "dataset", "share", "examples", "can_be_drawn", "printed"]
    table = tables.budgets(pd.DataFrame(rows, columns=columns))
    assert list(table.index) == ["10%", "80%"]
    assert table["imbalanced"].to_numpy().tolist() == [[406, 14, "proposed, random"], [3248, 99, "random"]]
    assert table["balanced"].to_numpy().tolist() == [[487, 10, "proposed, random"], [3896, 77, "none"]]
    assert len(table.columns) <= 8


ENDS = {"runs_low": -0.01, "runs_high": 0.05, "patients_low": -1.3, "patients_high": 0.2, "both_low": NAN}
CONTRAST = {"arm": "proposed", "other": "random", "unit": "slice", "auc_difference": 0.0312, **ENDS, "both_high": NAN}
CONTRAST |= {"p_patients_holm": 0.04, "p_both_holm": NAN, "noninferior": True, "detectable": 0.125, "run_sd": 0.0}
CONTRAST |= {"learned": True}


def test_contrasts_have_words_and_signs() -> None:
    others = {"other": "placebo", "noninferior": False}, {"other": "baseline", "learned": False}
    table = tables.contrasts(pd.DataFrame([CONTRAST, *(CONTRAST | other for other in others)]))
    assert table["random"].xs("slice-level").to_dict() == {
        "difference (pp)": "+3.1",
        "95 % CI, across runs": "-1.0 to +5.0",
        "95 % CI, across patients": "-100.0 to +20.0",
        "95 % CI, across runs and patients": "none",
        "p across patients (Holm)": "0.040",
        "p across runs and patients (Holm)": "",
        "not inferior by 2 pp": "yes",
        "detectable (pp)": "12.5",
        "SD of the runs' own (pp)": "0.0",
    }
    judged = table.xs("not inferior by 2 pp", level=1).iloc[0]
    assert judged["placebo"] == judged["baseline"] == "not shown"


def test_the_scorecard_has_eight_columns_in_words() -> None:
    """Its names, numbers and footnotes are those of `paper`."""
    row = {"id": "table2.test_gain", "printed": "7.98", "recomputed": NAN, "ours": 3.14159, "verdict": "cannot tell"}
    row |= {"both_low": -2.0, "both_high": 8.25, "rule": "A rule.", "why": "", "could_tell": "no, from 9.0 points on"}
    row |= {"section": "3.1", "runs_low": -1.0, "runs_high": 7.25, "patients_low": NAN, "patients_high": NAN}
    other = row | {"id": "table2.pretrained.val", "printed": 0.8746, "ours": 0.689, "both_low": NAN, "both_high": NAN}
    other |= {"could_tell": "", "rule": "Another.", "why": "epochs: 3, the paper's 30; one run"}
    table = tables.scorecard(pd.DataFrame([row, other, row | {"why": "one run"}]))
    said = ["+7.98 pp", "", "+3.1 pp", "-2.0 to +8.2 pp", "no, from 9.0 points on", "cannot tell", "1"]
    assert table.iloc[0].to_list() == said
    assert table.iloc[1].to_list() == ["87.46 %", "", "68.9 %", "", "", "cannot tell", "2 a b"]
    assert table["rule, notes"].iloc[2] == "1 b"


def test_contrasts_of_several_arms_name_both() -> None:
    table = tables.contrasts(pd.DataFrame([CONTRAST | {"arm": "0%-30%"}, CONTRAST | {"arm": "10%-40%"}]))
    assert list(table.columns) == ["0%-30% less random", "10%-40% less random"]


def test_arms_are_told_with_the_auc_without_a_tumour_and_whom_they_were_trained_on() -> None:
    row = {"arm": "proposed", "share": 0.1, "auc_mean": 0.8123, "low": 0.75, "high": 0.9, "learned": True}
    row |= {"hidden_mean": 0.61, "hidden_low": 0.5, "hidden_high": 0.7, "within_mean": 0.57}
    row |= dict.fromkeys(("within_low", "within_high", "patient_mean", "patient_low", "patient_high"), NAN)
    row |= {"examples": 86.4, "positive_share": 0.153, "patients": 40.6}
    unmasked = {"arm": "baseline", "share": 1.0} | dict.fromkeys(("hidden_mean", "hidden_low", "hidden_high"), NAN)
    rows = [row, row | {"share": 0.2}, row | unmasked | {"learned": False}]
    table = tables.arms(pd.DataFrame(rows), "glioma", "persons")
    assert list(table.index) == ["proposed, 10%", "proposed, 20%", "baseline (has not learned)"]
    aucs = ["0.812 (0.750 to 0.900)", "0.570 (none)", "0.610 (0.500 to 0.700)"]
    assert list(table.loc["proposed, 10%"]) == [*aucs, "86", "15%", "41"]
    assert table.loc["baseline (has not learned)", "tumour hidden"] == ""


def test_annotation_costs_are_counts_and_shares_by_run_or_by_arm() -> None:
    row = {"arm": "proposed", "dataset": "balanced", "seed": 7, "labelled": 43, "chosen": 43, "annotated": 74.4}
    row |= {"share": 0.514, "patients": 24, "patient_share": 1.0, "validation": 48}
    cost = pd.DataFrame([row])
    table = tables.annotation(cost, "seed", "patients")
    assert table.index.name == "run (seed)"
    assert list(table.loc["7"]) == ["43", "43", "74", "51%", "24", "100%", "48"]
    some = tables.annotation(cost[["arm", "chosen", "annotated", "share", "patient_share"]], "arm", "patients")
    assert list(some) == ["chosen", "annotated slices", "of the training slices", "of the training patients"]


def test_optimism_and_quality() -> None:
    names = ["validation_best", "validation_last", "test_best", "test_last", "gap", "gain", "optimism"]
    values = [0.8, 0.7, 0.6, 0.55, 0.2, 0.05, -0.05]
    table = pd.DataFrame({"arm": "b", "quantity": names, "auc_mean": values})
    shown = further_tables.optimism(pd.concat([table, table.assign(arm="a")]))
    assert list(shown.index) == ["b", "a"]
    assert list(shown.loc["b"]) == ["0.800", "0.700", "0.600", "0.550", "+20.0", "+5.0", "-5.0"]
    measures = ["auc", "average_precision", "brier", "calibration_error", "sensitivity", "specificity", "threshold"]
    rows = [("proposed", seed, "slice", *[value] * 7) for seed, value in ((0, 0.2), (1, 0.4))]
    table = further_tables.quality(pd.DataFrame(rows, columns=["arm", "seed", "unit", *measures]), "LGG")
    assert list(table.loc["slice"]) == ["proposed", *["0.300"] * 6]


def test_areas_and_efficiency_have_words() -> None:
    area = {"strategy": "random", "mean": 0.7109, "rank": 1.5, "best_rank": 1.0, "worst_rank": 2.0}
    assert list(worth_tables.areas(pd.DataFrame([area])).loc["random"]) == ["0.711", "1.5", "1", "2"]
    rows = [
        ("placebo", 0.3, 0.5, 0.7, 0.17, 0.1, 0.4, -1.94, ""),
        ("proposed", 0.1, 0.36, 0.72, 0.8, 0.0, float("inf"), 0.55, "more than"),
    ]
    columns = ["strategy", "budget", "annotated", "auc", "random_annotated", "random_low", "random_high", "saved"]
    table = worth_tables.efficiency(pd.DataFrame(rows, columns=[*columns, "censored"]))
    assert list(table.loc["placebo"]) == ["30%", "50%", "0.700", "17%", "10%", "40%", "194% lost"]
    assert list(table.loc["proposed"]) == ["10%", "36%", "0.720", "", "", "", ""], "any share fits"


def test_small_tables_have_words() -> None:
    runs = pd.DataFrame({"arm": ["a"] * 4, "seed": [0, 0, 1, 1], "best_epoch": [3, 3, 6, 6]})
    assert list(tables.kept_epochs(runs).loc["a"]) == ["4.5", "3", "6"]
    deciles = pd.DataFrame({"decile": ["between"], "LGG slices": [0.2014]})
    assert tables.deciles(deciles).loc["between", "LGG slices"] == "20.1%"
    layers = pd.DataFrame({"layer": ["Conv2", "ReLU", "Conv1"], "output": ["27", "27", "55"]})
    layers["stride"], layers["stride_printed"] = (pd.array([first, pd.NA, 4], "Int64") for first in (1, 2))
    table = tables.layers(layers.assign(output_printed=pd.Series(["27", None, "14"])))
    assert table["stride"].tolist() == ["1 (printed: 2)", "", "4"]
    assert table["output"].tolist() == ["27", "27", "55 (printed: 14)"]


def test_gains_stand_beside_each_other_budget_by_budget() -> None:
    rows = [
        ("random", "slice", 0.1, 0.021, 0.001, 0.041, 0.04, 0.03),
        ("placebo", "slice", 0.1, -0.01, NAN, NAN, NAN, NAN),
        ("random", "patient", 0.1, 9, 9, 9, 9, 9),
    ]
    columns = ["other", "unit", "share", "auc_difference", "both_low", "both_high", "p_both_holm", "detectable"]
    table = tables.budget_gains(pd.DataFrame(rows, columns=columns))
    assert table.columns.get_level_values(0).unique().tolist() == ["less random", "less placebo"]
    assert table["less random"].to_numpy().tolist() == [["+2.1", "+0.1 to +4.1", "0.040", "3.0"]]
    assert table["less placebo"].to_numpy().tolist() == [["-1.0", "none", "", ""]]


def test_the_docs_have_a_line_for_every_file_and_every_file_has_its_line() -> None:
    """Of all that git keeps, beside pictures and two of an annotation; `test_run` asks for those of a smoke study."""
    files = re.search(r"\| file .*?\n\n", (ROOT / "docs" / "tables.md").read_text(encoding="utf-8"), re.DOTALL)
    assert files
    listed = re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in files[0].splitlines() if line))
    kept = {path.stem for path in (ROOT / "figures" / "published").glob("*/*.csv")}
    assert sorted(listed) == sorted(kept | PICTURES | {"learning_curve", "annotation_loop"})


class FullDisk:
    """A value that fails as it is written."""

    def __str__(self) -> str:
        raise OSError("full")


def test_numbers_are_written_to_six_digits_also_beside_text(tmp_path: Path) -> None:
    """So that the last bits of a sum, which differ from machine to machine, are in no file."""
    table = pd.DataFrame({"mixed": ["ImageNet", 1 / 3, 55.0, 1234567], "pure": [2 / 3, NAN, 1e-9, 3.0]})
    save_table(table, "t", tmp_path)
    lines = (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()
    assert lines == ["mixed,pure", "ImageNet,0.666667", "0.333333,", "55,1e-09", "1234567,3"]
    with pytest.raises(InputError, match="drop patient_id"):
        save_table(pd.DataFrame({"patient_id": ["a"]}), "t", tmp_path)
    with pytest.raises(OSError, match="full"):
        save_table(pd.DataFrame({"mixed": ["some", FullDisk()]}), "t", tmp_path)
    assert (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines() == lines, "the earlier one stays whole"
