# ruff: noqa: E501
"""Write what README says we found, from the tables in figures/published: `python tools/answers.py` (`make published`)."""

import re
from pathlib import Path

import pandas as pd

from brats_al_utils.beyond.comparison.pilot import lengths
from brats_al_utils.files import write_file
from brats_al_utils.findings import sites
from brats_al_utils.findings.comparison import MARGIN
from brats_al_utils.findings.outcomes import AS_GOOD, BETTER, NOT_JUDGED, NOT_YET, UNDECIDED, WORSE
from brats_al_utils.findings.sentences import points as difference
from brats_al_utils.findings.sentences import side
from brats_al_utils.findings.statistics import CONFIDENCE
from brats_al_utils.show.captions import ARMS_IN_WORDS
from brats_al_utils.study.profile import BUDGET

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "figures" / "published"
SHORT = {
    BETTER: "In short: the paper's way of choosing does, here. It teaches more than as many slices drawn at random.",
    WORSE: "In short: the paper's way of choosing does not, here. As many slices drawn at random, all of them trained on, teach a little more.",
    AS_GOOD: "In short: the paper's way of choosing does not, here. As many slices drawn at random teach as much.",
    UNDECIDED: "In short: this is undecided.",
    NOT_YET: "In short: this is not decided yet.",
    NOT_JUDGED: "In short: this cannot be judged.",
}
"""By the outcome of the first contrast that was planned: proposed against random sampling of as many annotated."""

IN_QUERIES = {
    BETTER: " In several queries, where nothing else is annotated, it teaches more than chance.",
    WORSE: " In several queries, where nothing else is annotated, it teaches less than chance.",
    AS_GOOD: " In several queries, where nothing else is annotated, it is as good as chance.",
}
"""By the outcome of the proposed method in several queries against random sampling of as many."""

ASIDES = {
    ("proposed", "random"): " Not counted: the committee's own 30 %, which somebody labels too.",
    ("proposed", "placebo"): " Both are drawn alike, so this is what chance does.",
    ("proposed, iterative", "random"): " These 30 % are all that is annotated.",
}
"""What must be known of some contrasts beside their outcome."""

FIGURE_7 = "Test AUC on the LGG set by the number of slices trained on: the committee's choice, random sampling and the placebo, and below it their differences with 95 % intervals"

NAMES = {"entropy": "Largest entropy", "coreset": "core-set", "badge": "BADGE", "typiclust": "TypiClust"}
"""The strategies of others in words."""

COMPARED = (
    ("tests", "proposed", "random at 51%", "trained on it", "51 %, as many as are annotated, at random"),
    ("controls", "all annotated slices", "random at 51%", "trained on all that is annotated", "the same"),
    ("tests", "proposed", "random", "trained on it", "30 % at random, the committee's labels not counted"),
    ("tests", "proposed", "baseline", "trained on it", "everything"),
    (
        "equal_updates",
        "proposed, equal updates",
        "random at 51%, equal updates",
        "with as many updates as everything gets",
        "51 % at random, with as many updates",
    ),
    ("equal_updates", "proposed, equal updates", "baseline", "with as many updates as everything gets", "everything"),
)
"""The open cohort's contrasts: the table, the two arms, and what they are in words."""

BLOCK = re.compile(r"(?<=<!-- answers -->\n).*?(?=<!-- end -->)", re.DOTALL)


def row(study: str, table: str, **where: object) -> pd.Series:
    """Return the one row of a study's table in which some columns have these values."""
    rows = pd.read_csv(FIGURES / study / f"{table}.csv")
    for column, value in where.items():
        rows = rows[rows[column] == value]
    if len(rows) != 1:
        raise ValueError(f"{study}/{table}.csv: {len(rows)} rows of {where}, expected one")
    return rows.iloc[0]


def gain(found: pd.Series) -> str:
    """Return a difference of AUCs in points with its interval, plainly."""
    value, low, high = (found[name] for name in ("auc_difference", "both_low", "both_high"))
    told = difference(value)
    if pd.isna(low):
        return told
    if low > 0 or high < 0:
        nearer, further = sorted((abs(low), abs(high)))
        return f"{told} ({100 * nearer:.1f} to {100 * further:.1f})"
    return f"{told}, and anything from {side(low)} to {side(high)} fits the data"


def points(found: pd.Series) -> str:
    """Return the size of a gain in points with its interval."""
    value, low, high = (100 * found[name] for name in ("auc_difference", "both_low", "both_high"))
    return f"{value:.1f} points ({low:.1f} to {high:.1f})"


def in_short(found: pd.Series) -> str:
    """Return a difference in points with the ends of its interval, short."""
    value, low, high = (side(found[name]) for name in ("auc_difference", "both_low", "both_high"))
    return f"{value} ({low} to {high})"


def verdict(found: pd.Series, better: str, worse: str, open_: str) -> str:
    """Return the words for a difference whose interval lies above 0, below it, or on both sides."""
    return better if found["both_low"] > 0 else worse if found["both_high"] < 0 else open_


def both(study: str, table: str, **where: object) -> tuple[pd.Series, pd.Series]:
    """Return a contrast of a study on the test set, slice-level and patient-level."""
    by_slice, by_person = (row(study, table, unit=unit, **where) for unit in ("slice", "patient"))
    return by_slice, by_person


def in_numbers(compared: tuple[str, str, str, str, str]) -> str:
    """Return a row of the table of the open cohort's contrasts."""
    table, arm, other, what, against = compared
    return f"| {what} | {against} | {' | '.join(map(in_short, both('open', table, arm=arm, other=other)))} |"


def title(found: pd.Series) -> str:
    """Return what a planned contrast compares."""
    if found["family"] == "primary":
        share = found["other"].removeprefix("random at ").replace("%", " %")
        return f"The paper's procedure, which annotates {share} and trains on 30 %, against {share} at random"
    return f"{ARMS_IN_WORDS.get(found['arm'], found['arm']).capitalize()} against {ARMS_IN_WORDS.get(found['other'], found['other'])}"


def within_margin(found: pd.Series) -> str:
    """Say that a difference that is not zero is within the margin of equivalence all the same."""
    small = max(abs(found["both_low"]), abs(found["both_high"])) < MARGIN
    little = f": a difference, if less than the {100 * MARGIN:g} points that we had called little"
    return little if found["outcome"] in (BETTER, WORSE) and small else ""


def validation() -> str:
    """Say how many validation slices a run on the LGG set has beside those that the proposed method trains on."""
    runs = pd.read_csv(FIGURES / "lgg" / "annotation_cost_imbalanced.csv")
    return f"{runs['validation'].min()} to {runs['validation'].max()} validation slices, by which every arm keeps its best epoch, beside the {runs['chosen'].min()} to {runs['chosen'].max()} that are 30 %"


def in_slices(table: pd.DataFrame) -> list[str]:
    """Say how many slices drawn at random teach as much as what was chosen; empty where that cannot be said."""
    found = {(of["arm"], of["other"]): of for _, of in table.iterrows()}
    once, often = found["proposed", "random at 51%"], found["proposed, iterative", "random"]
    if pd.isna(once["at_random"]):
        return []
    rise = found["baseline", "random"]["auc_difference"]
    saved = BETTER in (once["outcome"], often["outcome"])
    return [
        f"* **In slices, looked at afterwards: {'a saving is shown' if saved else 'no saving is shown'}.** Everything teaches {100 * rise:.1f} points more than 30 % at random. If each doubling adds as much, {100 * MARGIN:g} points take {(1 / BUDGET) ** (MARGIN / rise):.0f} times as many slices: "
        f'"as good" is coarse. By that measure the paper\'s procedure, which annotates 51 %, teaches what {as_many(once)} at random do, and the choice in several queries, which annotates 30 %, what {as_many(often)} do.'
    ]


def as_many(found: pd.Series) -> str:
    """Return the share of the slices that teach as much if drawn at random, with its interval."""
    value, low, high = (f"{100 * found[f'at_random{end}']:.0f}" for end in ("", "_low", "_high"))
    return f"{value} % ({low} to {high})"


def so_far(found: pd.Series) -> str:
    """Say how many of the planned repetitions of a contrast exist; empty if all do."""
    return (
        f"{found['n_runs']} of {found['planned']} planned repetitions so far: " if found["outcome"] == NOT_YET else ""
    )


def planned() -> list[str]:
    """Return what the study on the LGG set has decided so far."""
    outcomes = pd.read_csv(FIGURES / "lgg" / "outcomes.csv")
    deciding = outcomes.assign(both_low=outcomes["decided_low"], both_high=outcomes["decided_high"])
    first = deciding.iloc[0]
    often = deciding[deciding["arm"] == "proposed, iterative"].iloc[0]
    whole = first["outcome"] != NOT_YET
    rule = (
        f'"as good" is what differs by less than {100 * MARGIN:g} points at 95 %, and all but the first are adjusted for being several. '
        "It holds of networks that learn from these persons; how far others would move it, one cohort cannot show."
    )
    rule += (
        " The committee's choice leaves out the tenth of the slices of which it is the least certain and the tenth of which it is the most, and draws at random from the others. "
        f"Not counted are the labels of {validation()}."
    )
    none = f"{first['n_runs']} of {first['planned']} planned repetitions are done: nothing is decided yet."
    return [
        f"**{SHORT[first['outcome']]}{IN_QUERIES.get(often['outcome'], '')}**",
        "",
        "*Does this slice show tumour?* 110 persons of the LGG set (Buda 2019), five hospitals (one with a single person), and slices of either kind in every person, so that no hospital tells the answer. "
        "Differences are of the area under the ROC curve (AUC: 0.5 is guessing, 1 without an error) on slices of persons who were not trained on, in points of a hundredth. "
        f"What is compared, and how it is decided, was [written down before](docs/lgg_study.md): {rule if whole else none}",
        "",
        *(
            f"* **{title(row)}: {row['outcome']}.** {so_far(row)}{gain(row)}{within_margin(row)}.{ASIDES.get((row['arm'], row['other']), '')}"
            for _, row in (deciding if whole else deciding[:1]).iterrows()
        ),
        *in_slices(deciding),
        "",
        "Beside these contrasts, planned too but without a verdict, with intervals that are not adjusted:",
        "",
        diagnosis(),
        *others(),
        pretraining(),
        "",
        "What else could explain it (how many slices are trained on and of which class, for how long, the hospital, the slice's place in the head, chance): [attacks.csv](figures/published/lgg/attacks.csv). All contrasts that are trained: [outcomes.csv](figures/published/lgg/outcomes.csv).",
        "",
        f"![{FIGURE_7}](figures/published/lgg_curves/figure7.svg)",
        "",
    ]


def diagnosis() -> str:
    """Say whether the most uncertain slices teach badly because one class is rare among them."""
    as_they_are, same_share = (
        row("lgg", "class_share", arm=arm, other="random") for arm in ("0%-30%", "0%-30% of each class")
    )
    gained = row("lgg", "class_share", arm="0%-30% of each class", other="0%-30%")
    why = verdict(same_share, "Yes", "No more than a part of it", "It may be")
    return (
        f"* **Is it that fewer of the most uncertain slices show tumour? {why}.** Drawn to the class share of all slices they are, against 30 % at random, {gain(same_share)}; "
        f"as they are, {gain(as_they_are)}. So the class share is worth {points(gained)}."
    )


def others() -> list[str]:
    """Say what other budgets and the strategies of others gave on the LGG set."""
    gains = of_slices("lgg_curves", "budget_gains").query("other == 'random' and share != 0.3")
    at = ", ".join(f"at {100 * of['share']:.0f} % {side(of['auc_difference'])}" for _, of in gains.iterrows())
    rows = of_slices("lgg_curves", "competitors")
    arm = rows["other"].iloc[0]
    share = arm.removeprefix("random at ").replace("%", " %")
    each = ", ".join(f"{NAMES[of['arm']]} {side(of['auc_difference'])}" for _, of in rows.iterrows())
    runs = of_slices("lgg_curves", "runs_competitors").query("part == 'test' and arm == @arm")
    room = row("lgg_curves", "figure7", arm="baseline")["auc_mean"] - runs["auc"].mean()
    return [
        f"* **At other budgets, the committee's choice against as many trained on at random, the committee's own 30 % not counted: {shown(gains)}.** {at.capitalize()} ({power(gains)}; [intervals](figures/published/lgg_curves/budget_gains.csv)).",
        f"* **Strategies of others, which annotate and train on {share}, against {share} at random: {shown(rows)}.** {each} ({power(rows)}; [intervals](figures/published/lgg_curves/competitors.csv)). "
        f"There is {'hardly ' if room < MARGIN else ''}room for a gain: all slices train to {100 * room:.1f} points more than {share} at random in the same repetitions.",
    ]


def pretraining() -> str:
    """Say what ImageNet's weights are worth on the LGG set."""
    found = row("lgg_curves", "table2_gains", part="test", unit="slice")
    scratch = row("lgg_curves", "table2_arms", arm="scratch")
    pilot = pd.read_csv(ROOT / "docs" / "scratch_pilot.csv")
    epochs, longest = lengths(pilot).nlargest(1, "validation_auc")["epochs"].item(), pilot["epoch"].max()
    going_on = f" ({epochs} epochs, the longest that was tried: they were still gaining)" if epochs == longest else ""
    tried = f"From random weights, at the rate and the length that [validation chose](docs/scratch_pilot.csv){going_on}"
    if not found["learned"]:
        return f"* **Does pretraining help? Not judged.** {tried}, the network learned nothing (AUC {scratch['auc_mean']:.2f}; its loss stayed at that of guessing)."
    return f"* **Does pretraining help? {verdict(found, 'Yes', 'No, it harms', 'Not shown')}.** {tried}, all slices train to an AUC of {scratch['auc_mean']:.2f}; from ImageNet's convolutional layers {gain(found)} ({found['n_runs']} repetitions)."


def of_slices(study: str, table: str) -> pd.DataFrame:
    """Return the slice-level rows of a study's table."""
    return pd.read_csv(FIGURES / study / f"{table}.csv").query("unit == 'slice'")


def power(rows: pd.DataFrame) -> str:
    """Say how many repetitions some differences rest on, and what these would find at least."""
    return f"{rows['n_runs'].iloc[0]} repetitions, which find one difference alone in four of five cases if it is {100 * rows['detectable'].max():.1f} points"


def shown(rows: pd.DataFrame) -> str:
    """Say how many of some differences are shown to be better or worse, adjusted by Holm for their number."""
    sure = rows[rows["p_both_holm"] < 1 - CONFIDENCE]["auc_difference"]
    better, worse = (sure > 0).sum(), (sure < 0).sum()
    if not len(sure):
        return "no difference shown"
    return f"{better} of {len(rows)} shown to be better, {worse} worse"


def grades() -> list[str]:
    """Return what came of the second task on the LGG set."""
    first = pd.read_csv(FIGURES / "grade" / "outcomes.csv").iloc[0]
    whole = row("grade", "table3_arms", arm="baseline")
    reached = f"all slices train to an AUC of {whole['auc_mean']:.2f} ({whole['low']:.2f} to {whole['high']:.2f})"
    if whole["learned"]:
        found = f"{title(first)}: {first['outcome']}.** {gain(first)}; {reached}."
    else:
        found = f"These networks do not learn it, so no way of choosing is judged.** However long they trained in the [pilot](docs/grade_pilot.csv), they told other persons' grade no better than a guess; in the study, of the one epoch that its rule gives, {reached}."
    return [
        f"*Glioma of grade II or III?* 109 persons of the same set, {first['n_runs']} repetitions, [planned too](docs/lgg_study.md): of the tasks here the nearest to the paper's.",
        "",
        f"* **{found}",
        "",
    ]


def answers() -> str:
    """Return the answers so far, verdict first."""
    chosen, headline = (
        row("open", "tests", arm="proposed", other=other, unit="slice") for other in ("random at 51%", "baseline")
    )
    of_second, by_person = both("pituitary", "budget_gains", other="random", dataset="imbalanced", share=0.3)
    within = {arm: row("open", "within_site", arm=arm) for arm in ("proposed", "random", "baseline")}
    worst = row("open", "teaches_worst", arm="0%-30%")
    hidden, scratch = (row("open", "table2_arms", arm=arm) for arm in ("pretrained", "scratch"))
    design = row("design", "design", arm="proposed", other="baseline")
    card = {claim: row("open", "scorecard", id=claim)["verdict"] for claim in ("abstract.gain", "table2.test_gain")}
    release = {by: sites.audit(rows) for by, rows in sites.brats_2019().groupby("by")}
    hospital = release["hospital"]
    alone = sum(hospital[f"with_partner_{name}"] for name in ("positives", "negatives"))
    lines = [
        *planned(),
        *grades(),
        "*Glioma or meningioma?* 147 persons of the open cohort (Cheng 2015, CC BY 4.0), 5 repetitions, networks that start from ImageNet's convolutional layers. "
        "In brackets, what fits the data at 95 %.",
        "",
        f"* **Read all of this with care: here the hospital can tell the class.** The network trained on everything has an AUC of {within['baseline']['auc_mean']:.2f}, and with the tumour hidden {hidden['hidden_mean']:.2f}; "
        f"among persons of one kind of id, so most likely of one hospital, {interval(within['baseline'])}, the committee's choice {interval(within['proposed'])}, random {interval(within['random'])}. "
        "The same holds of the paper's data: in BraTS 2019 the hospital alone, without an image, "
        f"has an AUC of {hospital['auc']:.2f}, and {alone:.0f} of {hospital['positives'] + hospital['negatives']:.0f} patients share a hospital with one of the other class.",
        f"* **The committee's choice is {verdict(chosen, 'better than', 'worse than', 'not shown to beat')} drawing slices at random.** The committee learns from slices that a person labels too: in all, half of the slices (51 %) are annotated. Against as many drawn at random: {gain(chosen)}.",
        f"* **The paper's headline, that 30 % teach more than everything, {card['abstract.gain']}:** {gain(headline)}. That is with the paper's length, where fewer slices are trained for fewer updates; "
        "the rows below with as many updates as everything gets were trained when the other numbers were known ([why](docs/protocol.md#sizes)).",
        f"* **Do the most uncertain slices teach worst? {'Yes' if worst['both_high'] < 0 else 'Not shown'}.** Against the mean of the other ranges of the ranking: {gain(worst)}.",
        f"* **Does pretraining help? {'Not judged' if not scratch['learned'] else card['table2.test_gain']}.** From random weights the network learned nothing (AUC {scratch['auc_mean']:.2f}; its loss stayed at that of guessing), so there is nothing to compare with.",
        "* **A second task, meningioma or pituitary tumour, is nearly solved without any choice:** 30 % chosen by the committee less 30 % at random: "
        f"{gain(of_second)}; by person {in_short(by_person)}.",
        few(),
        f"* **A study of the paper's size cannot tell.** On a *synthetic* population where choosing costs {abs(100 * design['gain']):.1f} points, test sets of the paper's 66 patients print between "
        f"{side(design['drawn_low'])} and {side(design['drawn_high'])}.",
        "",
        "Glioma or meningioma, in points, with what fits the data at 95 %; the same counted by person, that is by the mean over a person's slices:",
        "",
        "| the committee's choice of 30 % | against | by slice | by person |",
        "|---|---|---|---|",
        *map(in_numbers, COMPARED),
        "",
    ]
    return "\n".join(lines) + "\n"


def few() -> str:
    """Say what the committee's choice is worth where few slices are trained on."""
    rows = of_slices("pituitary_few", "budget_gains").query("other == 'random'")
    at = (f"at {100 * of['share']:.0f} % {in_short(of)}" for _, of in rows.iterrows())
    fewest = rows.iloc[0]
    again, whole = reached("placebo", fewest["share"]) - reached("random", fewest["share"]), reached("baseline", 1.0)
    chance = ": there, chance alone does as much" if abs(again) >= abs(fewest["auc_difference"]) else ""
    at_random = {share: reached("random", share) for share in rows["share"]}
    room = {f"{100 * share:.0f}": f"{auc:.2f}" for share, auc in at_random.items() if whole - auc > MARGIN}
    return (
        f"* **With few slices of that task ([planned too](docs/lgg_study.md)), and as many updates in every arm: {shown(rows)}** between a draw after the committee has set aside its most and its least uncertain tenth, "
        f"and as many drawn from all; the committee's own 30 % are not counted. {', '.join(at).capitalize()} ({rows['n_runs'].iloc[0]} repetitions; [all](figures/published/pituitary_few/budget_gains.csv)). "
        f"At {100 * fewest['share']:.0f} %, a second draw from the same place is {side(again)}{chance}. There is room for more than {100 * MARGIN:g} points at {' and '.join(room)} % alone: "
        f"at random they reach an AUC of {' and '.join(room.values())}, everything {whole:.2f}."
    )


def reached(arm: str, share: float) -> float:
    """Return the mean test AUC of an arm of the study with few slices."""
    return float(row("pituitary_few", "figure7", arm=arm, share=share)["auc_mean"])


def interval(found: pd.Series) -> str:
    """Return an AUC within a site with its interval."""
    return f"{found['within']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def main() -> None:
    """Put the answers into README."""
    path = ROOT / "README.md"
    write_file(path, BLOCK.sub(lambda _: answers(), path.read_text(encoding="utf-8")).encode())


if __name__ == "__main__":
    main()
