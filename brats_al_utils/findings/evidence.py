"""Tidy tables of a study's results: one row for each run, slice, epoch or arm."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils.cohorts.cohort import TRUTH_FILE
from brats_al_utils.cohorts.naming import sites
from brats_al_utils.cohorts.split import PARTS
from brats_al_utils.findings.comparison import adjusted, compare, patient_pairs
from brats_al_utils.findings.shortcut import SHOWN, shortcut_table
from brats_al_utils.findings.sites import within_site
from brats_al_utils.findings.statistics import LEARNED, base_rate_loss, by_unit, units_of, unlearned
from brats_al_utils.networks.training import auc
from brats_al_utils.queries.sampling import ALL, DISCARDED
from brats_al_utils.runs.run import Result
from brats_al_utils.study.arms import Arm
from brats_al_utils.study.stages import Results, Row, budget, committee_pool, plan
from brats_al_utils.study.study import Study

EVALUATION_SETS = PARTS[1:]
"""The evaluation sets: validation and test."""

ENDS = ["mean", "low", "high"]
"""Columns of an AUC: its mean and the limits of its interval."""

AUCS = {
    "auc": ("slice", SHOWN[0]),
    "patient": ("patient", SHOWN[0]),
    "within": ("slice", "within"),
    "hidden": ("slice", SHOWN[1]),
}
"""The AUCs of `arm_table` by the names of their columns: the unit, and what was shown of a slice, or within a site."""


def predictions(study: Study, arm: Arm, result: Result, part: str, last_epoch: bool = False) -> pd.DataFrame:
    """Return patient_id, label and score (P(positive), kept or last epoch) of a part's slices, by slice id."""
    table = study.slice_set(arm.dataset).table[["patient_id", "label"]].iloc[result.run.ids(part)]
    name = f"{part}_last" if last_epoch else part
    return table.assign(score=result.arrays[f"probability/{name}"])


def scores(study: Study, results: Results, part: str) -> pd.DataFrame:
    """Return arm, seed, key, patient_id, label, score, with folds also fold: a row for each run and slice of a part."""
    frames = []
    for (arm, number), result in results.items():
        frame = predictions(study, arm, result, part).assign(arm=arm.name, seed=study.profile.seed + number)
        frames.append(frame.assign(key=result.run.key, **fold(study, number)))
    return pd.concat(frames, ignore_index=True)


def fold(study: Study, number: int) -> dict[str, int]:
    """Return the column fold of a run, which says the fold that it tests; empty without folds."""
    return {"fold": number % study.profile.folds} if study.profile.folds > 1 else {}


def scores_by_key(study: Study, results: Results) -> pd.DataFrame:
    """Return key, part, patient_id, label, score and (with folds) fold: one row for each run and evaluated slice.

    A run that belongs to several arms is listed once.
    """
    once = dict({result.run.key: (place, result) for place, result in results.items()}.values())
    frames = [scores(study, once, part).assign(part=part) for part in EVALUATION_SETS]
    return pd.concat(frames, ignore_index=True).drop(columns=["arm", "seed"])


def of_set(results: Results, dataset: str) -> Results:
    """Return the results of one data set."""
    return {place: result for place, result in results.items() if place[0].dataset == dataset}


def of_arms(results: Results, arms: Iterable[Arm]) -> Results:
    """Return the results of some arms."""
    chosen = set(arms)
    return {place: result for place, result in results.items() if place[0] in chosen}


def evaluate(study: Study, results: Results) -> pd.DataFrame:
    """Return one row for each run, part and unit (patients only if each has a single class).

    Returns
    -------
    pd.DataFrame
        arm, seed, part, unit, auc, best_epoch, key; dataset, start, strategy, share, examples, freeze, network,
        with_labelled, iterative; learned (`has_learned`).
    """
    rows, measured = [], {}
    for (arm, number), result in results.items():
        if result.run.key not in measured:  # several arms share a run
            measured[result.run.key] = measures(study, arm, result)
        learned = has_learned(study, arm, result)
        for part, unit, area in measured[result.run.key]:
            rows.append(
                {
                    "arm": arm.name,
                    "seed": study.profile.seed + number,
                    "part": part,
                    "unit": unit,
                    "auc": area,
                    "best_epoch": result.best_epoch,
                    "learned": learned,
                    "key": result.run.key,
                    "dataset": arm.dataset,
                    "start": arm.start,
                    "strategy": arm.strategy.name,
                    "share": arm.share,
                    "examples": len(result.run.training),
                    "freeze": arm.freeze,
                    "network": arm.network,
                    "with_labelled": arm.with_labelled,
                    "iterative": arm.iterative,
                }
            )
    return pd.DataFrame(rows)


def measures(study: Study, arm: Arm, result: Result) -> list[tuple[str, str, float]]:
    """Return part, unit and AUC of a run, for each evaluation set and each unit that has classes."""
    units = units_of(study.slice_set(arm.dataset).table)
    frames = {part: predictions(study, arm, result, part) for part in EVALUATION_SETS}
    scored = {(part, unit): by_unit(frame, unit) for part, frame in frames.items() for unit in units}
    return [(*place, auc(each["label"].to_numpy(), each["score"].to_numpy())) for place, each in scored.items()]


def loss_share(study: Study, arm: Arm, result: Result) -> float:
    """Return a run's training loss at the kept epoch over its base-rate loss; infinite for a single class."""
    labels = study.slice_set(arm.dataset).table["label"].to_numpy()[list(result.run.training)]
    loss, guess = float(result.arrays["train_loss"][result.best_epoch - 1]), base_rate_loss(labels)
    return loss / guess if guess else float("inf")


def has_learned(study: Study, arm: Arm, result: Result) -> bool:
    """Return whether a run's training loss at the kept epoch is at most ``LEARNED`` times its base-rate loss."""
    return loss_share(study, arm, result) <= LEARNED


def unlearned_arms(study: Study, results: Results) -> set[str]:
    """Return `statistics.unlearned` of a study's results."""
    rows = [(arm.name, result.run.key, has_learned(study, arm, result)) for (arm, _), result in results.items()]
    return unlearned(pd.DataFrame(rows, columns=["arm", "key", "learned"]))


def with_mean_examples(runs: pd.DataFrame) -> pd.DataFrame:
    """Return `evaluate`'s rows with examples as a mean across runs: with folds, their numbers differ."""
    examples = runs.groupby(["arm", "dataset", "share"])["examples"].transform("mean")
    return runs.assign(examples=examples.round().astype(int))


def history(study: Study, results: Results) -> pd.DataFrame:
    """Return one row for each epoch of each run: arm, seed, epoch (from 1), train_loss, validation_auc, kept, learned.

    The column learned is `has_learned`.
    """
    frames = []
    for (arm, number), result in results.items():
        frame = pd.DataFrame({name: result.arrays[name] for name in ("train_loss", "validation_auc")})
        frame.insert(0, "epoch", range(1, len(frame) + 1))
        frame.insert(0, "seed", study.profile.seed + number)
        frame.insert(0, "arm", arm.name)
        frames.append(frame.assign(kept=frame["epoch"] == result.best_epoch, learned=has_learned(study, arm, result)))
    return pd.concat(frames, ignore_index=True)


def ranking(study: Study, dataset: str = "imbalanced") -> pd.DataFrame:
    """Return the uncertainty ranking: one row for each training slice and run.

    Returns
    -------
    pd.DataFrame
        slice_id, seed, uncertainty, rank_share (0: most uncertain), decile (most uncertain, between or least
        uncertain), patient_id, class_name, tumour_mm2, position; in a synthetic cohort also atypical, from its table
        of the truth.
    """
    table = study.slice_set(dataset).table[["patient_id", "class_name", "tumour_mm2", "position"]]
    if study.synthetic:
        truth = pd.read_csv(study.cohort.root / TRUTH_FILE).set_index("patient_id")["atypical"]
        table = table.assign(atypical=table["patient_id"].map(truth))
    frames = []
    for number in range(study.profile.n_runs):
        pool = committee_pool(study, dataset, number)
        uncertainty = pd.Series(pool.score, pool.ids)[pool.ranking]
        share = (np.arange(len(uncertainty)) + 0.5) / len(uncertainty)
        ends = [share < DISCARDED, share > 1 - DISCARDED]
        facts: dict[str, Any] = {
            "seed": study.profile.seed + number,
            "uncertainty": uncertainty,
            "rank_share": share,
            "decile": np.select(ends, ["most uncertain", "least uncertain"], "between"),
        }
        frames.append(table.loc[uncertainty.index].assign(**facts).rename_axis("slice_id").reset_index())
    return pd.concat(frames, ignore_index=True)


def budgets(study: Study, arms: Iterable[Arm]) -> pd.DataFrame:
    """Return how many slices each arm with a strategy chooses: arm, dataset, share, examples, can_be_drawn.

    With folds, training sets differ by a patient or two; the counts are those of the first run.
    """
    choosing = [arm for arm in arms if arm.strategy is not ALL]
    drawn = {row.arm for row in plan(study, choosing, runs=1)}
    rows = [(arm.name, arm.dataset, arm.share, budget(study, arm), arm in drawn) for arm in choosing]
    return pd.DataFrame(rows, columns=["arm", "dataset", "share", "examples", "can_be_drawn"])


def annotation_cost(study: Study, rows: Sequence[Row], arms: Iterable[Arm]) -> pd.DataFrame:
    """Return the annotation cost of some arms: one row for each arm and run.

    Returns
    -------
    pd.DataFrame
        arm, dataset, seed; labelled (at random at first), chosen and annotated (their union; all slices if a strategy
        needs every label), numbers of slices; share (of the training slices, annotated); patients (with an annotated
        slice) and patient_share; validation (number of slices, annotated as well).
    """
    return pd.DataFrame([cost_of_run(study, row) for arm in arms for row in rows if row.arm == arm and not row.member])


def cost_of_run(study: Study, row: Row) -> dict[str, Any]:
    """Return the annotation cost of an arm in one run."""
    dataset, number = row.arm.dataset, row.number
    patient, pool = study.slice_set(dataset).table["patient_id"].to_numpy(), study.ids(dataset, "training", number)
    ids = pool if row.arm.strategy.needs_every_label else row.selection.annotated
    patients = len(np.unique(patient[ids]))
    return {
        "arm": row.arm.name,
        "dataset": dataset,
        "seed": study.profile.seed + number,
        "labelled": len(row.selection.labelled),
        "chosen": len(row.selection.chosen),
        "annotated": len(ids),
        "share": len(ids) / len(pool),
        "patients": patients,
        "patient_share": patients / len(np.unique(patient[pool])),
        "validation": len(study.ids(dataset, "validation", number)),
    }


def with_sites(study: Study, results: Results) -> pd.DataFrame:
    """Return `scores` of the test set with the column site."""
    of_set = {dataset: sites(study.slice_set(dataset)).to_numpy() for dataset in {arm.dataset for arm, _ in results}}
    tested = [of_set[arm.dataset][result.run.ids("test")] for (arm, _), result in results.items()]
    return scores(study, results, "test").assign(site=np.concatenate(tested))


def within_sites(study: Study, results: Results) -> pd.DataFrame:
    """Return `sites.within_site` of every arm on the test set; empty if the cohort has one site."""
    table = with_sites(study, results)
    return within_site(table) if table["site"].nunique() > 1 else pd.DataFrame()


def contrasts(study: Study, results: Results, pairs: Sequence[tuple[Arm, Arm]], part: str = "test") -> pd.DataFrame:
    """Return `comparison.compare` of pairs of arms on an evaluation set.

    Returns
    -------
    pd.DataFrame
        As `comparison.compare`, with the columns unit and learned (whether most runs of both arms have); the pairs form
        one family for each unit.
    """
    results = of_arms(results, (arm for pair in pairs for arm in pair))
    scored, blind = scores(study, results, part), unlearned_arms(study, results)
    names = [(arm.name, other.name) for arm, other in pairs]
    tables = [compare(patient_pairs(scored, unit), names).assign(unit=unit) for unit in units_of(scored)]
    table = pd.concat(tables, ignore_index=True)
    learned = ~(table["arm"].isin(blind) | table["other"].isin(blind))
    return adjusted(table.assign(learned=learned), ["unit"])


def on_both_sets(study: Study, results: Results, pairs: Sequence[tuple[Arm, Arm]]) -> pd.DataFrame:
    """Return `contrasts` of pairs of arms on the validation and on the test set, with a column part."""
    tables = [contrasts(study, results, pairs, part).assign(part=part) for part in EVALUATION_SETS]
    return pd.concat(tables, ignore_index=True)


def against_the_others(study: Study, results: Results, name: str) -> pd.DataFrame:
    """Return `comparison.compare` of an arm with the mean of all others (slice-level, test set), and learned."""
    pairs, blind = patient_pairs(scores(study, results, "test"), "slice"), unlearned_arms(study, results)
    others = [arm for arm in pairs.arms if arm != name]
    mean = f"mean of {len(others)} others"
    return compare(pairs.with_mean(mean, others), [(name, mean)]).assign(unit="slice", learned=not blind)


def budget_gains(study: Study, results: Results) -> pd.DataFrame:
    """Return `contrasts` of the proposed method with random sampling and with the placebo, at every budget.

    Returns
    -------
    pd.DataFrame
        As `contrasts`, with the columns dataset and share; the pairs of one data set and unit form a family.
    """
    at: dict[tuple[str, float], dict[str, Arm]] = {}
    for arm, _ in results:
        at.setdefault((arm.dataset, arm.share), {})[arm.name] = arm
    frames = [
        contrasts(study, results, [(arms["proposed"], arms[other]) for other in ("random", "placebo")]).assign(
            dataset=dataset, share=share
        )
        for (dataset, share), arms in at.items()
        if "proposed" in arms
    ]
    return adjusted(pd.concat(frames, ignore_index=True), ["dataset", "unit"])


def audited(study: Study, results: Results, asked: Sequence[str] = SHOWN) -> pd.DataFrame:
    """Return the table that `shortcut.shortcut_table` takes: `scores` of the audit's images of the test set.

    Parameters
    ----------
    asked : sequence of str
        The first ones of `shortcut.SHOWN`.

    Notes
    -----
    A data set without tumour masks has the whole slices alone: nothing could be hidden.
    """
    frames, names = [], ("probability/test", "audit/tumour_hidden", "audit/tumour_alone")
    for (arm, number), result in results.items():
        shown = asked if study.slice_set(arm.dataset).masked else asked[:1]
        whole = scores(study, {(arm, number): result}, "test")
        frames += [
            whole.assign(score=result.arrays[name], shown=what) for name, what in zip(names, shown, strict=False)
        ]
    return pd.concat(frames, ignore_index=True)


def arm_table(study: Study, results: Results) -> pd.DataFrame:
    """Return the test AUC of each arm (slice-level, patient-level, within a site, tumour hidden), and its training set.

    Returns
    -------
    pd.DataFrame
        arm, dataset, share (its budget); auc_mean, low, high (slice-level), and three columns each that begin with
        patient_ (patient-level), hidden_ (slice-level, tumour hidden; both as `shortcut.shortcut_table`) and within_
        (`sites.within_site`), NaN where not available; means across runs for the training set: examples (number of
        slices), positive_share, patients (number); learned (whether most runs have).
    """
    rows = []
    for arm in dict.fromkeys(arm for arm, _ in results):
        own, table = of_arms(results, [arm]), study.slice_set(arm.dataset).table
        trained = [table.iloc[list(result.run.training)] for result in own.values()]
        found = shortcut_table(audited(study, own, SHOWN[:2])).set_index(["unit", "shown"])
        found = found[["auc_mean", "low", "high"]].set_axis(ENDS, axis=1)
        inside = within_sites(study, own)
        if len(inside):
            found.loc[("slice", "within"), ENDS] = inside[["within", "low", "high"]].iloc[0].to_list()
        aucs = {name: found.reindex([place]).iloc[0] for name, place in AUCS.items()}
        rows.append(
            {
                "arm": arm.name,
                "dataset": arm.dataset,
                "share": arm.share,
                **{f"{name}_{end}": value[end] for name, value in aucs.items() for end in ENDS},
                "examples": np.mean([len(slices) for slices in trained]),
                "positive_share": np.mean([(slices["label"] == 1).mean() for slices in trained]),
                "patients": np.mean([slices["patient_id"].nunique() for slices in trained]),
                "learned": not unlearned_arms(study, own),
            }
        )
    return pd.DataFrame(rows).rename(columns={"auc_low": "low", "auc_high": "high"})
