"""The command line. Each command imports the heavy modules that it needs itself, so that help appears at once."""

import io
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from brats_al_utils import InputError, __version__, settings_of
from brats_al_utils.files import cause

STUDY, MINE, PUBLISHED, CLUSTER = "Study", "My images", "Published", "Cluster"
"""Panels of the help, each with the commands for one purpose."""

EXAMPLES = {
    STUDY: "run --profile demo",
    MINE: "annotate --data DIR --set classes=sick,healthy",
    PUBLISHED: "figures published/open.bundle",
    CLUSTER: "cluster slurm --jobs 4 --dry-run -- run --profile paper --data DIR",
}
"""An example for each panel, shown below the general help."""

PROFILE_NAMES = ("smoke", "demo", "design", "open", "lgg", "paper")
"""Names of the profiles; their own module is slow to import."""

TEXT_BROWSERS = {"w3m", "lynx", "links", "elinks", "www-browser"}
"""Browsers that run in the terminal: they show no image, and hide the address."""

cluster = typer.Typer(no_args_is_help=True, help="Spread a study over a cluster.")
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="\n\n".join(f"{panel}: brats-al {example}" for panel, example in EXAMPLES.items()),
)
app.add_typer(cluster, name="cluster", rich_help_panel=CLUSTER)


def verb(panel: str, example: str, group: typer.Typer = app) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the decorator that makes a function a command, with its panel of the help and an example."""
    return group.command(rich_help_panel=panel, epilog=f"Example: brats-al {example}")


def home(text: str) -> Path:
    """Return a path with ``~`` expanded, which no shell does within an option (``--out=~/x``)."""
    if re.match(r"[A-Za-z]:[\\/]|\\\\", text) and not os.path.lexists(text):
        raise typer.BadParameter(f"{text}: a Windows path: in WSL, wslpath '{text}' prints its name there")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise typer.BadParameter(f"{text}: no home folder of that name") from error


def path(said: str, *names: str) -> Any:
    """Return an option that takes a path; ``said`` is its text in the help."""
    return typer.Option(*names, help=said, parser=home, metavar="PATH")


def place(said: str, metavar: str = "PATH") -> Any:
    """Return an argument that takes a path; ``said`` is its text in the help."""
    return typer.Argument(help=said, parser=home, metavar=metavar)


Images = Annotated[Path, path("Folder of a cohort.csv in which labels are missing.")]
Asked = Annotated[Path, path("The folder given to `query` or `annotate`.")]
Budget = Annotated[int, typer.Option(min=1, help="How many slices, or whole patients, to propose.")]
Strategy = Annotated[str, typer.Option(help="One of `brats-al strategies`, which list random too.")]
Unit = Annotated[str, typer.Option(help="slice or patient.")]
RandomShare = Annotated[float, typer.Option(help="Share of each query that is drawn without regard to scores.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes on this machine that train at the same time.")]
FollowLinks = Annotated[bool, typer.Option("--follow-links", help="Follow symbolic links out of the cohort's folder.")]
ProfileName = Annotated[
    str, typer.Option(help=f"One of {', '.join(PROFILE_NAMES)}.", autocompletion=lambda: list(PROFILE_NAMES))
]
Json = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Skip patients with a problem, and record them.")]
Out = Annotated[Path | None, path("The folder given to `run` as --out, if one was.")]
Kept = Annotated[Path | None, path("Folder for proposals and answers; default: DATA/annotation.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Change a setting: name=value. May be repeated.")]
Only = Annotated[list[str] | None, typer.Option(help="Numbers of the notebooks, as in --only 00 01.")]
More = Annotated[list[str] | None, typer.Argument(hidden=True)]


OTHER_DASHES = ("‐", "‑", "‒", "–", "—", "―", "−")  # noqa: RUF001 - they are what is meant
"""Dashes that web pages and text programs put in place of an option's hyphens."""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as in shells."""


def print_notes(notes: Iterable[str]) -> None:
    """Print what the user should know, a line each."""
    for note in notes:
        print(f"note: {note}")


def annotation_in(
    data: Path, out: Path | None, settings: list[str] | None, device: str, workers: int | None, skip: bool, links: bool
) -> Any:
    """Open the annotation of some images, and print its notes."""
    from brats_al_utils.beyond.annotation.session import open_session

    session = open_session(data, out, settings_of(settings), device, str(workers or ""), skip, links)
    print_notes(session.notes)
    return session


@verb(STUDY, "phantom DIR --patients 10")
def phantom(
    folder: Annotated[Path, place("New folder for the synthetic cohort.")],
    patients: Annotated[int, typer.Option(help="Number of patients.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random draws.")] = 0,
    spacing: Annotated[int, typer.Option(min=1, max=2, help="Voxel size in mm: 1 or 2.")] = 1,
    layout: Annotated[str, typer.Option(help="Folders and names as in the release of 2018, 2019 or 2020.")] = "2019",
) -> None:
    """Write a cohort of synthetic patients in BraTS's format."""
    from brats_al_utils import progress
    from brats_al_utils.beyond.phantoms.writing import write_cohort

    write_cohort(folder, patients, seed, spacing, layout, progress.patients)
    print(f"{patients} synthetic patients in {folder}")


def settings_and_notebooks(
    settings: Sequence[str] | None, only: Sequence[str] | None, more: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """Return the settings and the notebooks of a command line, `--set a=1 b=2` and `--only 00 01`.

    Parameters
    ----------
    more : sequence of str or None
        The words after the first value of the one or the other.
    """
    pairs = [*(settings or []), *(word for word in more or [] if "=" in word)]
    numbers = [*(only or []), *(word for word in more or [] if "=" not in word)]
    if numbers and not only:
        raise InputError(f"unexpected {' '.join(numbers)}: name notebooks with --only")
    return pairs, numbers


@verb(STUDY, "run --profile demo --only 00 01")
def run(
    profile: ProfileName = "demo",
    data: Annotated[Path | None, path("Folder of a cohort; default: a synthetic one, for paper BRATS_ROOT.")] = None,
    only: Only = None,
    out: Annotated[Path | None, path("Folder for everything; default: outputs/PROFILE of the checkout.")] = None,
    settings: Set = None,
    device: Device = "auto",
    workers: Workers = None,
    per_gpu: Annotated[int | None, typer.Option("--workers-per-gpu", min=1, help="Processes for each GPU.")] = None,
    scheduler: Annotated[str, typer.Option(help="Address of a Dask scheduler whose workers train.")] = "",
    bundle: Annotated[Path | None, path("A bundle of this study, whose runs are not repeated.", "--resume")] = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
    more: More = None,
) -> None:
    """Execute the notebooks in order: prepare, train what is missing, draw. Started again, it resumes."""
    pairs, numbers = settings_and_notebooks(settings, only, more)
    if sum(map(bool, (workers, per_gpu, scheduler))) > 1:
        raise InputError("--workers, --workers-per-gpu and --scheduler exclude each other: give one")

    from brats_al_utils.beyond.driver import drive
    from brats_al_utils.runs.shared import per_gpu_workers
    from brats_al_utils.study.profile import profile_of

    parameters: dict[str, Any] = {
        "profile": profile,
        "data": str(data.resolve()) if data else "",
        "out": str(out.resolve()) if out else "",
        "settings": profile_of(profile, settings_of(pairs)).changes,
        "device": device,
        "workers": scheduler or (per_gpu_workers(per_gpu, device) if per_gpu else str(workers or "")),
        "skip_bad": skip_bad,
        "follow_links": follow_links,
    }
    drive(parameters, numbers, bundle)


@verb(MINE, "cohort DIR")
def cohort(
    folder: Annotated[Path, place("Folder of a cohort (docs/cohorts.md) or of a cohort.csv, or the one above it.")],
    follow_links: FollowLinks = False,
    settings: Set = None,
    template: Annotated[bool, typer.Option("--template", help="Write a cohort.csv from the names of files.")] = False,
    person: Annotated[str, typer.Option(help="For --template: a regular expression that finds the person.")] = "",
    colour: Annotated[str, typer.Option(help="For --template: read colours as channels or as grey.")] = "",
    as_json: Json = False,
) -> None:
    """List a cohort's patients, read every image, and say everything that is wrong; exits 1 if anything is."""
    from brats_al_utils.beyond.releases.table import read_table
    from brats_al_utils.beyond.releases.template import write_template
    from brats_al_utils.cohorts.inspection import check_cohort, said
    from brats_al_utils.cohorts.readers import read_cohort
    from brats_al_utils.progress import patients
    from brats_al_utils.study.profile import profile_of

    if template:
        path, lines = write_template(folder, person, colour, follow_links)
        for line in lines:
            print(f"{path}: {line}")
        return
    if person or colour:
        raise InputError("--person and --colour are for the table that --template writes: add it, or leave them out")
    chosen = profile_of("paper", settings_of(settings))
    asked = (folder, follow_links, chosen.classes, chosen.task)
    read = read_table(*asked, without_labels=True) or read_cohort(*asked)  # `annotate` uses every image of a table
    found = check_cohort(read, chosen.slice_rule(balanced=False).min_tumour_mm2, patients)
    if as_json:
        names = ("release", "synthetic", "name", "classes", "absent", "problems", "notes")
        facts = {"root": str(found.root), "cases": found.cases.to_dict(orient="records")}
        print(json.dumps(facts | {name: getattr(found, name) for name in names}, indent=1))
    else:
        print("\n".join(said(found)))
    if found.problems:
        raise typer.Exit(1)


@verb(MINE, "query --data DIR --budget 40")
def query(
    data: Images,
    budget: Budget,
    strategy: Strategy = "middle",
    unit: Unit = "slice",
    random_share: RandomShare = 0.2,
    out: Kept = None,
    settings: Set = None,
    device: Device = "auto",
    workers: Workers = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
) -> None:
    """Propose images to annotate: train on those that have a label, and choose of the others."""
    from brats_al_utils.beyond.annotation.query import query as ask
    from brats_al_utils.beyond.annotation.session import QUERY

    session = annotation_in(data, out, settings, device, workers, skip_bad, follow_links)
    session, table = ask(session, budget, strategy, unit, random_share)
    for why, count in table["why"].value_counts().sort_index().items():
        print(f"{count:>5} {why}")
    print(f"{len(table)} slices to annotate in {session.folder / QUERY}")


@verb(MINE, "strategies")
def strategies() -> None:
    """List the strategies of `query` and `annotate`, and what each chooses."""
    from brats_al_utils.beyond.annotation.committee import OF_PATIENTS, USABLE
    from brats_al_utils.beyond.competitors.competitors import STRATEGIES

    alike: dict[str, list[str]] = {}
    for name in USABLE:
        alike.setdefault(STRATEGIES[name].said, []).append(name)
    for said, names in alike.items():
        print(f"{', '.join(names)}: {said}")
    print(f"Whole patients (--unit patient) are chosen by {', '.join(OF_PATIENTS)}.")


@verb(MINE, "annotate --data DIR --set classes=sick,healthy")
def annotate(
    data: Images,
    reader: Annotated[str, typer.Option(help="Name of who answers; a second reader takes another.")] = "first reader",
    budget: Budget = 20,
    strategy: Strategy = "middle",
    unit: Unit = "slice",
    random_share: RandomShare = 0.2,
    hide_names: Annotated[bool, typer.Option("--hide-names", help="Hide names, which may hold the label.")] = False,
    out: Kept = None,
    settings: Set = None,
    device: Device = "auto",
    workers: Workers = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="JupyterLab's port; default: a free one.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
) -> None:
    """Open a browser on the next image to annotate; images are proposed first if nothing is left to answer."""
    import webbrowser

    from brats_al_utils.beyond.annotation.launch import annotate as serve
    from brats_al_utils.beyond.annotation.proposals import proposed

    session = annotation_in(data, out, settings, device, workers, skip_bad, follow_links)
    session, _ = proposed(session, reader, budget, strategy, unit, random_share)
    parameters = {
        "data": str(data.resolve()),
        "out": str(session.folder.resolve()),
        "reader": reader,
        "budget": budget,
        "strategy": strategy,
        "unit": unit,
        "random_share": random_share,
        "hide_names": hide_names,
        "device": device,
        "workers": str(workers or ""),
        "skip_bad": skip_bad,
        "follow_links": follow_links,
    }
    serve(session.folder, parameters, port, None if no_browser or in_the_terminal() else webbrowser.open)


def in_the_terminal() -> bool:
    """Whether there is no browser but one of text, as over ssh."""
    import webbrowser

    try:
        return Path(webbrowser.get().name).name in TEXT_BROWSERS
    except webbrowser.Error:
        return True


@verb(MINE, "learn --data DIR")
def learn(
    data: Asked,
    out: Kept = None,
    device: Device = "auto",
    workers: Workers = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
) -> None:
    """Take the answers back: what changed, the learning curve so far, and what another query would buy."""
    from brats_al_utils.beyond.annotation.learning import learn as take_back
    from brats_al_utils.beyond.annotation.learning import sentences

    session, lesson = take_back(annotation_in(data, out, None, device, workers, skip_bad, follow_links))
    print("\n".join(sentences(lesson, session.cohort.classes)))


@verb(MINE, "answers --data DIR --export answers.csv")
def answers(
    data: Asked,
    out: Kept = None,
    take: Annotated[Path | None, path("Add the answers of a .csv, or of Label Studio's .json.", "--import")] = None,
    give: Annotated[Path | None, path("Write the answers as .csv, or as Label Studio's .json.", "--export")] = None,
    tasks: Annotated[Path | None, path("Write the proposals as Label Studio's .json.", "--proposals")] = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
) -> None:
    """Take answers from another program, or give answers or proposals to one."""
    from brats_al_utils.beyond.annotation.exchange import export_answers, export_proposals, import_answers
    from brats_al_utils.beyond.annotation.session import reread

    if not (take or give or tasks):
        raise InputError("nothing to do: name a file with --import, --export or --proposals")
    session = annotation_in(data, out, None, "auto", None, skip_bad, follow_links)
    if take:
        for what, count in import_answers(session, take).items():
            print(f"{count} answers of {take}: {what}")
        session = reread(session)
    if give:
        print(f"{export_answers(session, give)} answers in {give}")
    if tasks:
        print(f"{export_proposals(session, tasks)} proposals in {tasks}")


@verb(PUBLISHED, "export --profile demo --out demo.bundle")
def export(
    out: Annotated[Path, path("The file to write; its name ends in .bundle.")],
    profile: ProfileName = "demo",
    data: Annotated[Path | None, path("Folder of the cohort; default: the one given to `run`.")] = None,
    folder: Annotated[Path | None, path("The folder given to `run` as --out, if one was.", "--out-folder")] = None,
    only: Only = None,
    settings: Set = None,
    with_ids: Annotated[bool, typer.Option("--with-ids", help="Keep the names of a table's patients.")] = False,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
    more: More = None,
) -> None:
    """Write a study's predictions, without its images, into one file: see docs/bundles.md."""
    pairs, numbers = settings_and_notebooks(settings, only, more)
    from brats_al_utils.beyond.arms import NOTEBOOKS
    from brats_al_utils.beyond.bundles.published import export as write_bundle
    from brats_al_utils.show.notebooks import find
    from brats_al_utils.study.opening import open_study
    from brats_al_utils.study.places import Places
    from brats_al_utils.study.profile import profile_of
    from brats_al_utils.study.status import started

    asked: dict[str, Any] = {
        "profile": profile,
        "data": str(data.resolve()) if data else "",
        "settings": profile_of(profile, settings_of(pairs)).changes,
        "skip_bad": skip_bad,
        "follow_links": follow_links,
    }
    before = started(Places.of(profile, folder or ""))
    names = list(NOTEBOOKS)
    if before and data is None and not pairs:
        flags = {name: True for name in ("skip_bad", "follow_links") if asked[name]}
        asked, names = before["parameters"] | flags, before["notebooks"]
    if numbers:
        names = [path.stem for path in find(NOTEBOOKS, numbers)]
    study = open_study(**asked | {"out": folder or "", "device": "cpu", "workers": "1"})
    if with_ids:
        print(f"warning: {out} names the patients of {study.cohort.root}", file=sys.stderr)
    stored, planned, files = write_bundle(study, out, names, with_ids)
    size = sum(file.stat().st_size for file in files)
    print(f"{stored} of {planned} planned runs in {' and '.join(map(str, files))}, {size:,} bytes")


@verb(PUBLISHED, "figures published/open.bundle")
def figures(
    bundles: Annotated[list[Path], place("Files that `export` wrote.", "BUNDLE...")],
    out: Annotated[Path | None, path("Folder for the output of one bundle; default: outputs/published/NAME.")] = None,
) -> None:
    """Draw every table, figure and report of published studies again, without images or training."""
    from brats_al_utils.beyond.arms import NOTEBOOKS
    from brats_al_utils.beyond.bundles.published import missing, unpack_study
    from brats_al_utils.show import kernels, notebooks
    from brats_al_utils.show.report import write_report
    from brats_al_utils.study.places import Places
    from brats_al_utils.study.unpacked import open_unpacked

    if out and len(bundles) > 1:
        raise InputError(f"--out {out} is for one bundle, not {len(bundles)}: omit it, or draw one after another")
    kernels.prepare()
    studies, begun, failures = [], [], list[str]()
    for bundle in bundles:
        folder = Places.of_bundle(bundle, out or "").outputs
        unpack_study(bundle, folder)
        studies.append(open_unpacked(folder, out or ""))
    shown = str(out.resolve()) if out else ""  # notebooks change the working directory
    with notebooks.together() as pool:
        for bundle, study in zip(bundles, studies, strict=True):
            paths, places = [], study.places
            for path in notebooks.find(NOTEBOOKS):
                if absent := missing(study, path.stem):
                    print(f"{path.stem}: skipped, {absent} are missing in {bundle}")
                else:
                    paths.append(path)
            parameters = {"profile": study.profile.name, "data": str(places.outputs), "out": shown}
            begun.append((places, notebooks.execute_in(pool, paths, parameters, places)))
        for places, failed in begun:
            failures += failed()
            print(f"figures and tables in {places.figures}")
            print(write_report(places))
    if failures:
        raise InputError(f"{', '.join(failures)} not finished: see the messages above")


@verb(PUBLISHED, "verify published/design.bundle --runs 2")
def verify(
    bundle: Annotated[Path, place("A file that `export` wrote.")],
    runs: Annotated[int, typer.Option(min=1, help="How many runs, drawn at random, to train again.")] = 5,
    data: Annotated[Path | None, path("Folder of the cohort; phantoms need none.")] = None,
    out: Annotated[Path | None, path("Folder for the slice sets; default: outputs/ of the checkout.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draw; default: a new one each time.")] = None,
    device: Device = "auto",
    workers: Workers = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
) -> None:
    """Train some runs of a published study again, and say whether the results agree; exits 1 if any differs."""
    import secrets
    import tempfile

    from brats_al_utils.beyond.bundles.published import unpack_study
    from brats_al_utils.beyond.bundles.verification import VERDICTS, sentence
    from brats_al_utils.beyond.bundles.verification import verify as verify_runs
    from brats_al_utils.cohorts.layout import shown
    from brats_al_utils.study.opening import open_study
    from brats_al_utils.study.unpacked import open_unpacked

    with tempfile.TemporaryDirectory(prefix="brats-al-") as folder:
        held = len(unpack_study(bundle, Path(folder) / "outputs").results)
        published = open_unpacked(Path(folder) / "outputs", folder)
        chosen = published.profile
        if not data and not published.synthetic:
            needs = f"needs the images of the {shown(published.cohort_name)}"
            raise InputError(f"{bundle} {needs}: name their folder with --data (docs/cohorts.md)")
        asked = (chosen.name, data or "", out or "", chosen.changes, device, str(workers or ""))
        study = open_study(*asked, skip_bad, follow_links)
        seed = secrets.randbelow(2**31) if seed is None else seed
        found = verify_runs(published, study, runs, seed)
    for run in found:
        print(sentence(run))
    worst = max((run.verdict for run in found), key=VERDICTS.index)
    print(f"{len(found)} of {held} runs trained again, drawn with --seed {seed}: {worst}")
    if worst == VERDICTS[-1]:
        raise typer.Exit(1)


@verb(STUDY, "status --profile demo")
def status(profile: ProfileName = "demo", out: Out = None, as_json: Json = False) -> None:
    """Say how far a study is: runs done, running, failed and waiting, and the time left."""
    from brats_al_utils.study.places import Places
    from brats_al_utils.study.status import duration
    from brats_al_utils.study.status import status as status_of

    places = Places.of(profile, out or "")
    found = status_of(places)
    index, done = places.report / "index.html", found.state == "finished"
    if as_json:
        print(json.dumps(asdict(found), indent=1))
        return
    print(f"{found.done} runs done, {found.running} running, {found.failed} failed, {found.waiting} waiting")
    if found.seconds_left and found.images_left:
        share = found.images_done / (found.images_done + found.images_left)
        print(f"{share:.0%} of the training done, about {duration(found.seconds_left)} left")
    written = f"; report: {index if index.exists() else 'none yet, write it with brats-al report'}" if done else ""
    print(f"{found.state}{written}")
    for path, why in found.failures.items():
        print(f"failed: {why.splitlines()[-1]} (see {path})")


@verb(STUDY, "runs --profile demo")
def runs(profile: ProfileName = "demo", out: Out = None, as_json: Json = False) -> None:
    """List the runs that are stored or have failed; with --json, all that decides each."""
    from brats_al_utils.runs.records import records
    from brats_al_utils.runs.store import RunStore
    from brats_al_utils.study.places import Places
    from brats_al_utils.study.status import read_rows

    places = Places.of(profile, out or "")
    of_key = {row["key"]: row for row in read_rows(places)}
    for record in records(RunStore(places.runs)):
        row = of_key.get(record["key"], {})
        record |= {"arm": row.get("arm", ""), "number": int(row.get("run", 0)), "trains": row.get("trains", "")}
        if as_json:
            print(json.dumps(record))
            continue
        what = f"{record['arm']}, {record['trains']}" if record["trains"].startswith("chooser") else record["arm"]
        slices, auc = record.get("run", {}).get("training", {}).get("slices", 0), record.get("validation_auc")
        print(
            f"{record['key'][:12]}  {record['state']:<8} {what:<36} run {record['number']:<3} {slices:>6} slices  "
            f"{record.get('seconds', 0):>7.1f} s  validation AUC {'none' if auc is None else f'{auc:.3f}'}"
        )


@verb(CLUSTER, "cluster slurm --jobs 4 --dry-run -- run --profile paper --data DIR", cluster)
def slurm(
    command: Annotated[list[str], typer.Argument(help="After two dashes: run, with its options.")],
    jobs: Annotated[int, typer.Option(min=1, help="Jobs at a time.")] = 8,
    gpus: Annotated[int, typer.Option(min=0, max=1, help="GPUs of each job; for more, ask for more jobs.")] = 1,
    cpus: Annotated[int, typer.Option(min=1, help="Cores of each job.")] = 4,
    workers: Annotated[int, typer.Option(min=1, help="Runs at a time in each job.")] = 4,
    limit: Annotated[str, typer.Option("--time", help="Time limit of each job.")] = "04:00:00",
    sbatch: Annotated[list[str] | None, typer.Option(help="An sbatch option: --sbatch=--partition=gpu.")] = None,
    host: Annotated[str, typer.Option(help="This machine's address in the cluster, if it has several.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the sbatch script, and start nothing.")] = False,
) -> None:
    """Start a scheduler here and a throttled job array of workers, and run a study on them."""
    from brats_al_utils.runs import cluster as clusters
    from brats_al_utils.runs.scheduler import scheduler

    if command[:1] != ["run"]:
        raise InputError(f"{' '.join(command)!r} cannot be run on a cluster, expected run: -- run --profile paper")
    from brats_al_utils.study.places import Places

    commands: Any = typer.main.get_command(app)
    study = commands.commands["run"].make_context("run", command[1:])  # a mistyped option is refused before any job
    if any(study.params[name] for name in ("workers", "per_gpu", "scheduler")):
        raise InputError("the jobs' workers train: give --workers before the two dashes, and none of run's own")
    asked = clusters.Slurm(jobs, gpus, cpus, workers, limit, tuple(sbatch or []))
    outputs = Places.of("", study.params["out"] or "").outputs  # the checkout may be read-only
    folder = outputs / "cluster" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"  # holds this one's key
    if dry_run:
        print(clusters.script(asked, "tls://SCHEDULER:PORT", folder), end="")
        return
    with (
        scheduler(folder, host=host) as cluster,
        clusters.job_array(clusters.script(asked, cluster.scheduler_address, folder), folder, cluster.close) as number,
    ):
        address = cluster.scheduler_address
        print(f"scheduler {address}; job array {number} of {jobs} jobs at a time, logs in {folder}", flush=True)
        if interrupted := app([*command, "--scheduler", address], standalone_mode=False):
            raise typer.Exit(interrupted)


@verb(STUDY, "report --profile demo")
def report(profile: ProfileName = "demo", out: Out = None) -> None:
    """Write one static HTML site of a finished study: its notebooks, tables and figures."""
    from brats_al_utils.show.report import write_report
    from brats_al_utils.study.places import Places

    print(write_report(Places.of(profile, out or "")))


@verb(STUDY, "plan --profile paper --set n_runs=5")
def plan(
    profile: ProfileName = "paper",
    data: Annotated[Path | None, path("Folder of a cohort; default: a synthetic one, for paper BraTS 2019.")] = None,
    settings: Set = None,
    device: Device = "auto",
    follow_links: FollowLinks = False,
    as_json: Json = False,
) -> None:
    """Estimate a profile's cost: runs, image passes, and the time on this machine, from a short calibration."""
    from brats_al_utils.beyond.arms import NOTEBOOKS
    from brats_al_utils.beyond.cost import counted_study, forecast, said
    from brats_al_utils.cohorts.readers import read_cohort
    from brats_al_utils.networks.training import choose_device
    from brats_al_utils.study.profile import profile_of
    from brats_al_utils.study.stages import plan as table_of

    choose_device(device)  # one that is not there is refused before the cohort is read
    chosen = profile_of(profile, settings_of(settings))
    found = read_cohort(data, follow_links, chosen.classes, chosen.task) if data else None
    study = counted_study(chosen, found)
    facts = forecast(study, {name: table_of(study, arms(chosen)) for name, arms in NOTEBOOKS.items()}, device)
    if as_json:
        print(json.dumps(facts, indent=1))
        return
    print_notes(found.notes if found else ())
    problems = [f"problem: {each}" for each in (found.messages if found else ())]  # for which `run` refuses the cohort
    print("\n".join([*problems, *said(facts)]))


@verb(STUDY, "weights")
def weights(as_json: Json = False) -> None:
    """Say which weights each network can start from here, and how to get the others."""
    from brats_al_utils.networks.sources import weights as known

    found = known()
    if as_json:
        print(json.dumps([asdict(start) | {"path": str(start.path or "")} for start in found], indent=1))
        return
    for start in found:
        state = "available" if start.available else "missing"
        print(f"{start.network:<10} {start.start:<24} {state:<10} {start.path or ''} ({start.get})")


def version(asked: bool) -> None:
    """Print the version and stop."""
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Repeat Hao et al. 2021, on active learning for brain MRI, or let it choose which of your images to label."""


def start_in_utf8() -> None:
    """Restart in UTF-8 if the locale would read names of files as Latin-1 or ASCII: most file systems use UTF-8."""
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1":
        return
    utf8 = {"PYTHONUTF8": "1", "PYTHONIOENCODING": f"{sys.stdout.encoding}:backslashreplace"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | utf8)  # noqa: S606 - ourselves


def check_words(words: Iterable[str]) -> None:
    """Refuse words with another dash in place of --, as text programs write it, or with a Windows line end."""
    for word in words:
        if word.startswith(OTHER_DASHES):
            option = f"--{word.lstrip(''.join(('-', *OTHER_DASHES)))}"
            raise InputError(f"{word}: begins with another character than the keyboard's hyphen: type {option}")
        if word.endswith("\r"):
            raise InputError(f"{word!r} ends in a carriage return: save the script with Unix line ends (dos2unix)")


def check_place() -> None:
    """Refuse to start in a deleted folder, where libraries would end with messages of their own."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise InputError("the working directory was deleted: cd to another, or again to the new one") from error


def mend_of(error: ImportError) -> str:
    """Return what to do about a package that cannot be loaded."""
    if "failed to map" in str(error):
        return "allow more memory (ulimit -v, or the limit of the job)"
    if os.environ.get("PYTHONPATH"):  # as modules of a cluster set it
        return "packages of PYTHONPATH come before ours: unset PYTHONPATH"
    return "install the environment again (make setup)"


def main() -> None:
    """Run the command line. An error that the user can fix ends in one message and exit status 1."""
    start_in_utf8()
    if os.environ.pop("PYTHONOPTIMIZE", "") and sys.flags.optimize:  # notebooks assert, and docstrings are shown
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ)  # noqa: S606 - ourselves
    os.environ.pop("MPLBACKEND", None)  # a desktop's or another notebook's backend: we draw into files
    if not os.environ.get("SOURCE_DATE_EPOCH", "0").isdecimal():
        del os.environ["SOURCE_DATE_EPOCH"]  # a build's: numpy and matplotlib read it as a number
    os.environ["PYTHONSAFEPATH"] = "1"  # workers must not import a random.py of the working directory
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # the shell closed it (>&-): the next file would get its number, and our lines
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "w" if number else "r", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for names that the terminal's encoding cannot show
    try:
        check_words(sys.argv[1:])
        check_place()
        app()
    except (InputError, OSError) as error:
        print(f"error: {cause(error)}", file=sys.stderr)
        sys.exit(1)
    except ImportError as error:
        print(f"error: {error}: {mend_of(error)}", file=sys.stderr)
        sys.exit(1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print("interrupted: finished runs are kept, the same command resumes from them", file=sys.stderr)
            logging.getLogger("asyncio").disabled = True  # else every cancelled task writes a line
        raise


if __name__ == "__main__":
    main()
