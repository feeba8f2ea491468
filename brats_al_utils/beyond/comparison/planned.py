"""The contrasts planned in docs/lgg_study.md: their outcomes, and other explanations of them.

They were fixed for the LGG set before its first test number was computed; other studies have the same contrasts.
"""

from typing import Any

import numpy as np
import pandas as pd

from brats_al_utils.beyond.arms import planned
from brats_al_utils.beyond.comparison.further_evidence import interval_table
from brats_al_utils.beyond.comparison.uncertain import EVERY
from brats_al_utils.findings import sentences
from brats_al_utils.findings.comparison import Pairs, across_patients, compare, difference_limits, patient_pairs
from brats_al_utils.findings.evidence import evaluate, loss_share, of_arms, scores, unlearned_arms, with_sites
from brats_al_utils.findings.outcomes import NOT_YET, outcomes
from brats_al_utils.findings.sentences import gain, limits, points, side
from brats_al_utils.findings.sites import within_pairs, within_site
from brats_al_utils.findings.statistics import LEARNED, units_of, unlearned
from brats_al_utils.networks.training import auc
from brats_al_utils.queries.sampling import RANDOM
from brats_al_utils.study.arms import Arm, proposed, ranges
from brats_al_utils.study.stages import Results, advance, results_of
from brats_al_utils.study.study import Study

RUNS = {("lgg", "tumour"): 20, ("lgg", "grade"): 10}
"""Planned numbers of runs, by profile and task; in other studies, all their runs are planned."""


def stored(study: Study) -> Results:
    """Return the stored results of the planned arms; nothing is trained."""
    every = dict.fromkeys(each for arm, others in planned(study.profile) for each in (arm, *others))
    return results_of(study, advance(study, every))


def in_whole_cycles(study: Study, results: Results, arms: list[Arm]) -> Results:
    """Return the results of complete cycles of runs that all of some arms have: all persons then count equally."""
    folds, runs = study.profile.folds, study.profile.n_runs
    there = [all((arm, number) in results for arm in arms) for number in range(runs)]
    whole = [number for number in range(runs) if all(there[number // folds * folds :][:folds])]
    return {(arm, number): results[arm, number] for arm in arms for number in whole}


def decided(study: Study, results: Results) -> pd.DataFrame:
    """Return `outcomes.outcomes` of the planned contrasts with results, slice-level on the test set.

    Returns
    -------
    pd.DataFrame
        With the columns learned (most runs of all arms), planned (runs), and those of `drawn_at_random`. Empty without
        the primary contrast.
    """
    found: list[tuple[Pairs, str, str]] = []
    blind = unlearned_arms(study, results)
    for arm, others in planned(study.profile):
        own = in_whole_cycles(study, results, [arm, *others])
        if not own and not found:
            return pd.DataFrame()
        if own:
            pairs, names = patient_pairs(scores(study, own, "test"), "slice"), [other.name for other in others]
            other = names[0] if len(names) == 1 else f"mean of {len(names)} others"
            if other not in names:
                pairs = pairs.with_mean(other, names)
                blind |= {other} if blind & set(names) else set()
            found.append((pairs, arm.name, other))
    runs = RUNS.get((study.profile.name, study.profile.task), study.profile.n_runs)
    table = outcomes(found, blind, runs, len(planned(study.profile)) - 1)
    learned = ~(table["arm"].isin(blind) | table["other"].isin(blind))
    return drawn_at_random(study, table.assign(learned=learned, planned=runs))


def drawn_at_random(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Return planned contrasts with how many slices drawn at random teach as much as the arm, if that can be said.

    The AUC after random sampling is taken to rise along the logarithm of the number of slices, from its smallest share
    to all, by the planned contrast of the baseline. The limits are those of the arm's own contrast, at this rise.

    Returns
    -------
    pd.DataFrame
        With the columns at_random, at_random_low, at_random_high: shares of the training slices. NaN for a contrast
        with anything but random sampling, for the baseline's, and for all where the baseline's shows no gain.
    """
    others = [other for _, each in planned(study.profile) for other in each if other.strategy is RANDOM]
    shares, (_, baseline) = {other.name: other.share for other in others}, proposed(study.profile)
    whole = table[(table["arm"] == baseline.name) & (table["decided_low"] > 0)]
    rises: list[float] = (whole["auc_difference"] / -np.log(whole["other"].map(shares))).tolist()  # from a share to all
    rise = rises[0] if rises else np.nan
    of_other = table["other"].map(shares).mask(table["arm"] == baseline.name)
    values = {"": table["auc_difference"], "_low": table["decided_low"], "_high": table["decided_high"]}
    return table.assign(**{f"at_random{end}": of_other * np.exp(value / rise) for end, value in values.items()})


def taught(study: Study, results: Results) -> pd.DataFrame:
    """Return the slice-level test AUC after training on each range of the ranking, and on all training slices.

    Returns
    -------
    pd.DataFrame
        arm (as of `uncertain.in_ranges`); test_auc (mean across the runs of whole cycles that all have) and taught_runs
        (how many these are). Empty as long as there are none.
    """
    baseline = proposed(study.profile)[1]
    own = in_whole_cycles(study, results, [*ranges(study.profile), baseline])
    if not own:
        return pd.DataFrame(columns=["arm", "test_auc", "taught_runs"])
    tested = evaluate(study, own).query("part == 'test' and unit == 'slice'").replace({"arm": {baseline.name: EVERY}})
    return tested.groupby("arm", as_index=False).agg(test_auc=("auc", "mean"), taught_runs=("auc", "size"))


def attacks(study: Study, results: Results, table: pd.DataFrame) -> pd.DataFrame:
    """Return other possible explanations of the primary contrast, with the findings on each.

    Parameters
    ----------
    table : pd.DataFrame
        From `decided`, not empty.

    Returns
    -------
    pd.DataFrame
        attack, found: sentences.
    """
    method, (other,) = planned(study.profile)[0]
    baseline, first = proposed(study.profile)[1], table.iloc[0]
    own = in_whole_cycles(study, results, [method, other])
    with_baseline = own | {place: result for place, result in results.items() if place[0] == baseline}
    answers = {
        "Has every network learned?": learned(study, results),
        "Does the choice matter, or how many slices are trained on?": fewer(study, results),
        f"Is {study.slices.classes[1]} as frequent in what is trained on?": shares(study, own),
        "Could the hospital tell?": within(study, own),
        "Could the slice's place tell?": place(study),
        f"Do {study.people} say the same as slices?": by_patient(study, own),
        "Did one train longer?": trained(with_baseline),
        "Is there room below the ceiling?": ceiling(study, of_arms(with_baseline, [baseline])),
        "Could it be chance?": f"{gain(first)}{tested(first)}; {first['n_runs']} of {first['planned']} planned runs.",
    }
    return pd.DataFrame(answers.items(), columns=["attack", "found"])


def tested(row: "pd.Series[Any]") -> str:
    """Return the p of a contrast and the detectable difference in words, if there is a test."""
    p = ""
    if pd.notna(row["p_both"]):
        value = sentences.p_said(row["p_both"])
        p = f", p {value}" if value.startswith("<") else f", p = {value}"
    if pd.isna(row["detectable"]):
        return p
    return f"{p}; {100 * row['detectable']:.1f} points or more would be found with a probability of 80 %"


def said(table: pd.DataFrame) -> list[str]:
    """Return the table of `decided` in words, one line for each contrast."""
    deciding, lines = table.assign(both_low=table["decided_low"], both_high=table["decided_high"]), []
    for _, row in deciding.iterrows():
        found = gain(row)
        outcome = "" if found.startswith(row["outcome"]) else f"{row['outcome']}. "
        adjusted = ", adjusted by Holm" if row["family"] == "secondary" and pd.notna(row["both_low"]) else ""
        lines.append(f"{row['arm']} less {row['other']}: {outcome}{so_far(row)}{found}{adjusted}.")
    return lines


def so_far(row: "pd.Series[Any]") -> str:
    """Say how many of the planned runs of a contrast exist; empty if all do."""
    return f"{row['n_runs']} of {row['planned']} planned runs: " if row["outcome"] == NOT_YET else ""


def learned(study: Study, results: Results) -> str:
    """Say which runs have not learned, and the highest training loss relative to that of the best constant guess."""
    rows = [(arm.name, result.run.key, loss_share(study, arm, result)) for (arm, _), result in results.items()]
    shares = pd.DataFrame(rows, columns=["arm", "key", "share"])
    shares = shares.assign(learned=shares["share"] <= LEARNED)
    blind, typical = unlearned(shares), shares.groupby("arm")["share"].median()
    runs, late = shares["arm"].value_counts(), shares.loc[~shares["learned"], "arm"].value_counts(sort=False)
    some = ", ".join(f"{late[arm]} of {runs[arm]} runs of {arm}" for arm in late.index if arm not in blind)
    found = [f"Not these: {', '.join(sorted(blind))}"] if blind else []
    found += [f"All but {some}; these stay in its mean"] if some else []
    return (
        f"{'. '.join(found) or 'Yes'}. The highest training loss, median of an arm's runs, is {typical.max():.2f} of "
        f"that of the best constant guess ({typical.idxmax()}); above {LEARNED} nothing is judged. "
        f"{of_committees(study)}"
    )


def of_committees(study: Study) -> str:
    """Say how many of the networks that choose slices, of all runs, have learned: others would rank no slice."""
    (once, _), *_, (often, _) = planned(study.profile)
    said = []
    for arm, which in ((once, "the committee"), (often, "the committees of several queries")):
        members = [study.store.load(row.run) for row in advance(study, [arm]) if row.member and row.known]
        shares = [loss_share(study, arm, member) for member in members if member]
        if shares:
            said.append(f"of the networks of {which}, {sum(share <= LEARNED for share in shares)} of {len(shares)}")
    return f"{'; '.join(said).capitalize()} have." if said else ""


def fewer(study: Study, results: Results) -> str:
    """Say the loss of random sampling of as few slices, and the gain of the method trained on all annotated slices."""
    (method, (other,)), (_, (as_few,)), _, (every, _), *_ = planned(study.profile)
    own = in_whole_cycles(study, results, [method, other, as_few, every])
    if not own:
        return "Not known: their arms are not trained yet."
    pairs = patient_pairs(scores(study, own, "test"), "slice")
    table = compare(pairs, [(as_few.name, other.name), (every.name, other.name), (method.name, as_few.name)])
    few, annotated, chosen = (gain(row) for _, row in table.iterrows())
    sizes = [
        by_fold([len(of.run.training) for of in of_arms(own, [arm]).values()], "slices") for arm in (method, other)
    ]
    return (
        f"{method.name} trains on {sizes[0]}, {other.name} on {sizes[1]}. {as_few.name} against "
        f"{other.name}, looked at afterwards: {few}. {every.name} against {other.name}: {annotated}. {method.name} "
        f"against {as_few.name}, of as many slices: {chosen}."
    )


def shares(study: Study, results: Results) -> str:
    """Say the share of the positive class among the training slices of each arm, mean across runs."""
    label = study.slices.table["label"].to_numpy()
    rows = [(arm.name, label[list(result.run.training)].mean()) for (arm, _), result in results.items()]
    means = pd.DataFrame(rows, columns=["arm", "share"]).groupby("arm", sort=False)["share"].mean()
    return ", ".join(f"{share:.1%} ({arm})" for arm, share in means.items()) + "."


def place(study: Study) -> str:
    """Say how well a slice's distance from the person's middle slice alone tells the class."""
    table = study.slices.table
    if "patient" in units_of(table):
        return "Not asked: the slices of a person are of one class."
    z = table.groupby("patient_id")["z"]
    lowest, highest = z.transform("min"), z.transform("max")
    far = (2 * table["z"] - lowest - highest).abs() / (highest - lowest).clip(lower=1)
    alone = auc(table["label"].to_numpy(), -far.to_numpy())
    return f"Its distance from the middle of the person's slices alone, without an image, has an AUC of {alone:.2f}."


def within(study: Study, results: Results) -> str:
    """Say the primary contrast over pairs of slices of the same site."""
    frame = with_sites(study, results)
    if frame["site"].nunique() < 2:
        return "The cohort names one site."
    pairs, share = within_pairs(frame)
    if not share:
        return "It could: no site has slices of both classes."
    value = float(pairs.estimate(*pairs.arms)[0][0])
    low, high = difference_limits(value, across_patients(pairs, *pairs.arms))
    about = "" if np.isnan(low) else f"95 % CI across {study.people}: "
    of_each = within_site(frame).set_index("arm")
    aucs = " and ".join(f"{row['within']:.3f} ({arm})" for arm, row in of_each.iterrows())
    return (
        f"Over the {share:.0%} of all pairs of slices that are of one site, where it cannot: AUC {aucs}, "
        f"{points(value)} ({about}{limits(low, high, side)})."
    )


def by_patient(study: Study, results: Results) -> str:
    """Say the patient-level primary contrast."""
    if "patient" not in units_of(study.slices.table):
        return "They cannot be asked: a person has slices of both classes."
    pairs = patient_pairs(scores(study, results, "test"), "patient")
    return f"{gain(compare(pairs, [(pairs.arms[0], pairs.arms[1])]).iloc[0])}."


def trained(results: Results) -> str:
    """Say the number of updates of each arm, mean across runs; their range where all arms of a run have the same."""
    settings = [
        (arm.name, number, result.run.settings, result.run.training) for (arm, number), result in results.items()
    ]
    rows = [(arm, number, of.epochs * of.updates(len(slices))) for arm, number, of, slices in settings]
    table = pd.DataFrame(rows, columns=["arm", "number", "updates"])
    if table.groupby("number")["updates"].nunique().max() == 1:
        return f"No: the same in every arm, {by_fold(table['updates'].tolist(), 'updates')}."
    means = table.groupby("arm", sort=False)["updates"].mean()
    return "Yes, in updates: " + ", ".join(f"{mean:.0f} ({arm})" for arm, mean in means.items()) + "."


def by_fold(counts: list[int], what: str) -> str:
    """Say the fewest and the most of some runs, whose folds differ in size."""
    fewest, most = min(counts), max(counts)
    return f"{most} {what}" if fewest == most else f"{fewest} to {most} {what} by fold"


def ceiling(study: Study, results: Results) -> str:
    """Say the AUC of the baseline."""
    if not results:
        return "Not known: the baseline is not trained yet."
    row = interval_table(study, results).query("unit == 'slice'").iloc[0]
    return f"All slices train to an AUC of {row['auc_mean']:.3f} ({limits(row['both_low'], row['both_high'])})."
