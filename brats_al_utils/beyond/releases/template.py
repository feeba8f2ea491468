"""Write the table of a folder of images, from what its folders and names say; the user corrects it."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from statistics import mean

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.formats import other_formats
from brats_al_utils.beyond.releases.images import CHANNELS, COLOURS, PICTURES, VOLUMES, in_colour, is_picture
from brats_al_utils.beyond.releases.paths import plain
from brats_al_utils.beyond.releases.table import COLUMNS, MAX_ROWS, REQUIRED, find_table
from brats_al_utils.cohorts.layout import LEFT_BEHIND, UNGRADED, printable, shown, subfolders
from brats_al_utils.files import write_new
from brats_al_utils.study.places import STAMPS

EXAMPLE = """patient_id,label,image,mask,site,group,split
p001,negative,images/p001.png,masks/p001.png,Hospital A,,
p002,positive,images/p002.png,,Hospital B,,
"""

IMAGE_FOLDERS = {"image", "images", "img", "imgs", "scan", "scans", "data", "imagestr", "imagests", "jpegimages"}
MASK_FOLDERS = {"mask", "masks", "seg", "segs", "segmentation", "segmentations", "annotation", "annotations"}
MASK_FOLDERS |= {"label", "labels", "labelstr", "labelsts", "gt", "groundtruth", "ground_truth", "derivatives"}
MASK_FOLDERS |= {"segmentationclass", "segmentationobject"}
READER = r"manual|(?:reader|rater)[-_]?\d*"
MASK_ENDINGS = r"[-_. ]?(?:mask|seg|segm|segmentation|tumou?r[-_]segmentation)|[-_. ](?:roi|gt|labels?)"
MASK_NAME = re.compile(rf"(.+?)(?:{MASK_ENDINGS})(?:[-_ ](?:\d+|{READER}))*", re.IGNORECASE)
DRAWN = re.compile(rf"(.+?)(?:[-_. ](?:tumou?r|lesions?|anatomy|{READER}))+", re.IGNORECASE)
"""A mask's name too, if there is an image of the name before it: t2_tumor_reader1.nii.gz beside t2.nii.gz."""

MASK_ALONE = re.compile(
    r"masks?|segm?|segmentation|labels?|(tumou?r|lesion|segmentation)[-_ ](mask|seg|label)", re.IGNORECASE
)
"""The whole name of a mask that lies beside its image, in a folder of theirs."""

NNUNET = re.compile(r"(.+)_(000\d)")
"""A case's name and the number of a channel, in nnU-Net's folders imagesTr and imagesTs."""

FURTHER = re.compile(r".*_(e\d|ph|ADC|Eq_\d|Tilt_\d)[a-z]?")
"""What dcm2niix calls further files of a series: echoes, phase, diffusion, what it has interpolated."""

SPLITS = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Folders that are a part of the split."""

FOLDS = re.compile(r"(fold|split|batch)[-_ ]?\d+", re.IGNORECASE)
"""Folders into which images are dealt, that are neither classes nor people."""

ANNOTATION = {"state.json", "images.csv", "sets"}
"""What a folder of an annotation holds, whatever its name."""

WITH_BACKSLASHES = (
    "names with backslashes: unpack the ZIP archive again with a program that makes folders of them, as 7-Zip or unzip"
)

MAX_CLASSES = 10
"""Folders beside each other are classes if they are no more, or else people."""

SAMPLED = 50
"""Pictures, evenly among all, that are opened to see whether the images are in colour."""


@dataclass(frozen=True)
class Found:
    """An image, and what its path says of it.

    Attributes
    ----------
    path : PurePosixPath
        Below the folder.
    folders : tuple of str
        Those on the way to it that are no class, split, or folder of images.
    stem : str
        Its name without its ending.
    more : tuple of str
        Further channels.
    """

    path: PurePosixPath
    folders: tuple[str, ...]
    stem: str
    label: str = ""
    split: str = ""
    mask: str = ""
    person: str = ""
    more: tuple[str, ...] = ()


def write_template(
    folder: Path, person: str = "", colours: str = "", follow_links: bool = False
) -> tuple[Path, list[str]]:
    """Write a table with a row for each image in and below a folder, or with two example rows where there is none.

    Folders give labels (``yes``, ``no``), the split (``Training``, ``Testing``) or the person; a file of the same name
    in a folder of masks, or with _mask or _seg after its name, is the mask.

    Parameters
    ----------
    person : str
        A regular expression, searched in an image's path: its first group, or all of it, is the person.
    colours : str
        One of ``COLOURS``, for pictures in colour.
    follow_links : bool
        Look into what symbolic links lead to.

    Returns
    -------
    path : Path
    said : list of str
        What was understood, and what was left out.

    Raises
    ------
    InputError
        If the folder is missing, has a table or too many images, or if there are pictures in colour and ``colours`` is
        not given.
    """
    path = find_table(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder: correct its name")
    files, left_out = walked(folder, follow_links)
    images = [file for file in files if is_image(file)]
    if patients := sorted({name for file in files for name in file.parts if UNGRADED.fullmatch(name)}):
        text = pd.DataFrame({"patient_id": patients, "label": ""}).to_csv(index=False, lineterminator="\n")
        said = [f"{len(patients)} patients of BraTS 2021 or 2023, whose files are known by their names"]
        empty = [place for place in subfolders(folder) if UNGRADED.fullmatch(place.name) and place.name not in patients]
        if empty:
            said.append(f"{several(folder, empty)} left out: folders without a file: unpack them again")
    elif len(images) > MAX_ROWS:
        raise InputError(f"{folder}: {len(images)} images, expected at most {MAX_ROWS}: name a folder of fewer")
    elif images:
        found, unmatched = understood(images, person)
        in_colours = colours_of(folder, found, colours)
        text, said = table_of(found, in_colours), [*sentences(found, in_colours), *unmatched]
    elif left_out:
        raise InputError(f"{folder}: no image found: expected PNG, JPEG, TIFF or NIfTI\n" + "\n".join(left_out))
    else:
        text, said = EXAMPLE, ["no image found: put a row an image in place of the two examples"]
    write_new(path, text.encode())
    return path, [*said, *left_out]


def table_of(found: Sequence[Found], colours: str) -> str:
    """Return as CSV a row for each image, without the columns that are empty throughout and need not be there."""
    table = pd.DataFrame(
        {
            "patient_id": image.person,
            "label": image.label,
            "image": str(image.path),
            **dict(zip(CHANNELS[1:], image.more, strict=False)),
            "mask": image.mask,
            "split": image.split,
            "colours": colours,
        }
        for image in found
    ).reindex(columns=COLUMNS, fill_value="")
    used = [name for name in COLUMNS if name in REQUIRED or table[name].any()]
    return str(table.to_csv(columns=used, index=False, lineterminator="\n"))


def is_image(file: PurePath) -> bool:
    """Whether a file has the name of an image."""
    return file.name.casefold().endswith((*PICTURES, *VOLUMES))


def walked(folder: Path, follow_links: bool) -> tuple[list[PurePosixPath], list[str]]:
    """Return the files in and below a folder, in order, and lines on what was left out."""
    files: list[Path] = []
    left_out: defaultdict[str, list[Path]] = defaultdict(list)
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=follow_links):
        here = Path(place)
        real = str(here.resolve())
        ours = here != folder and (STAMPS in folders or {*folders, *names} >= ANNOTATION)
        if real in seen or ours:  # of ours, a study's figures and its outputs below, or an annotation
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(LEFT_BEHIND))
        for path in [here / name for name in (*folders, *sorted(names)) if not name.startswith(LEFT_BEHIND)]:
            if path.is_symlink() and not follow_links and not path.resolve().is_relative_to(folder.resolve()):
                left_out["symbolic links out of the folder: add --follow-links"].append(path)
            elif not printable(path.name):
                left_out["names that cannot be printed: rename them"].append(path)
            elif "\\" in path.name:
                left_out[WITH_BACKSLASHES].append(path)
            elif is_image(PurePath(path.name.rstrip(" ."))) and not is_image(path):
                left_out["names that end in a space or a dot: rename them"].append(path)
            elif path.name in names:
                files.append(path)
    lines = [f"{several(folder, paths)} left out: {why}" for why, paths in left_out.items()]
    lines += other_formats(folder, [path for path in files if not is_image(path)])
    return [PurePosixPath(path.relative_to(folder).as_posix()) for path in files], lines


def several(folder: Path, paths: Sequence[Path]) -> str:
    """Return how many paths there are, and the first three."""
    names = ", ".join(shown(str(path.relative_to(folder))) for path in paths[:3])
    return f"{len(paths)} ({names}, ...)" if len(paths) > 3 else f"{len(paths)} ({names})"


def stem_of(file: PurePosixPath) -> str:
    """Return a file's name without the ending of an image, and no more: dots are part of many names."""
    ending = next((ending for ending in (*VOLUMES, *PICTURES) if file.name.casefold().endswith(ending)), "")
    return file.name[: len(file.name) - len(ending)]


def understood(images: Sequence[PurePosixPath], person: str) -> tuple[list[Found], list[str]]:
    """Return each image with what its path says, and a line on masks that have no image."""
    masks: dict[tuple[str, ...], PurePosixPath] = {}
    every_mask: set[PurePosixPath] = set()
    found: list[Found] = []
    keys: dict[PurePosixPath, tuple[str, ...]] = {}
    beside_or_anywhere = {(place, stem_of(file).casefold()) for file in images for place in (file.parent, None)}
    for file in images:
        folders = [name.casefold() for name in file.parent.parts]
        of_mask = any(map(of_masks, folders))
        named = MASK_NAME.fullmatch(stem_of(file))
        drawn = DRAWN.fullmatch(stem_of(file))
        if not named and drawn and (None if of_mask else file.parent, drawn[1].casefold()) in beside_or_anywhere:
            named = drawn
        rest = tuple(name for name in folders if name not in IMAGE_FOLDERS and not of_masks(name))
        stem = (named[1] if named else stem_of(file)).casefold()
        keys[file] = (*rest, stem)
        if of_mask or named or MASK_ALONE.fullmatch(stem_of(file)):
            if "anatomy" in masks.setdefault(keys[file], file).name:
                masks[keys[file]] = file
            every_mask.add(file)
    channels = {file: channel for file in images if file not in every_mask and (channel := channel_of(file))}
    alike = Counter(key[-1] for file, key in keys.items() if file not in every_mask)
    elsewhere: dict[str, PurePosixPath] = {}  # in other folders than its image, which alone has this name
    for (*_, stem), file in masks.items():
        if alike[stem] == 1 and "original" not in file.parts:  # where MONAI Label keeps what a network has drawn
            elsewhere.setdefault(stem, file)
    beside = {file.parent: file for file in reversed(images) if MASK_ALONE.fullmatch(stem_of(file))}  # the first
    images_in = Counter(file.parent for file in images if file not in every_mask)
    of_case: defaultdict[tuple[PurePosixPath, str], list[str]] = defaultdict(list)
    for file, (case, _) in channels.items():
        of_case[file.parent, case].append(str(file))
    tops = {file.parts[0] for file in images}
    for file in images:
        case, number = channels.get(file, (stem_of(file), 0))
        if file in every_mask or number:
            continue
        kept = [name for name in file.parent.parts if name.casefold() not in IMAGE_FOLDERS | {*SPLITS}]
        kept = [name for name in kept if not FOLDS.fullmatch(name)]
        if len(kept) > 1 and kept[1] in tops:  # a copy of the whole, in a folder of its own
            kept = kept[1:]
        split = next((SPLITS[name.casefold()] for name in file.parent.parts if name.casefold() in SPLITS), "")
        mask = masks.get((*keys[file][:-1], case.casefold())) or elsewhere.get(case.casefold())
        mask = mask or (beside.get(file.parent) if images_in[file.parent] == 1 else None)
        more = tuple(of_case[file.parent, case][1 : len(CHANNELS)])
        found.append(Found(file, tuple(kept), case, split=split, mask=str(mask or ""), more=more))
    if not found:  # all are named as masks
        found = [Found(file, file.parent.parts, stem_of(file)) for file in images]
        every_mask = set()
    splits = {image.split for image in found}
    if not {"training", "test"} <= splits or "" in splits:
        found = [replace(image, split="") for image in found]
    elif "validation" not in splits:  # some of the others will be
        found = [replace(image, split=image.split.replace("training", "")) for image in found]
    found = labelled(found)
    used = {image.mask for image in found}
    stems = {keys[PurePosixPath(mask)][-1] for mask in used if mask}
    spare = [Path(mask) for mask in sorted(every_mask) if str(mask) not in used]
    lines = []
    for have_one, what in (
        (False, "masks without an image of the same name"),
        (True, "further masks of images that have one (mask): join them, or name another in the table"),
    ):
        if some := [mask for mask in spare if (keys[PurePosixPath(mask)][-1] in stems) is have_one]:
            lines.append(f"{several(Path(), some)} left out: {what}")
    return named_people(found, person), lines


def of_masks(folder: str) -> bool:
    """Whether a folder is one of masks by its name, or by the last word of that (lung masks)."""
    return folder in MASK_FOLDERS or re.split("[-_ ]", folder)[-1] in ("mask", "masks", "segmentation", "segmentations")


def channel_of(file: PurePosixPath) -> tuple[str, int] | None:
    """Return the case and the number of the channel that a file of nnU-Net's is."""
    named = NNUNET.fullmatch(stem_of(file))
    return (named[1], int(named[2])) if named and file.parent.name in ("imagesTr", "imagesTs") else None


def labelled(found: list[Found]) -> list[Found]:
    """Return the images with the folder that is their class, if folders are: few, of several images, no people."""
    names = [image.folders[0] if image.folders else "" for image in found]
    count = Counter(names)
    if "" in count or not 2 <= len(count) <= MAX_CLASSES or people_folders(found, 0):
        return found
    return [replace(image, label=plain(image.folders[0]), folders=image.folders[1:]) for image in found]


def people_folders(found: Sequence[Found], level: int) -> bool:
    """Whether the folders of a level are people: images begin with their name, or more than two differ in numbers.

    Images begin with their class's name too (benign/benign (1).png): few folders that have neither numbers nor a
    beginning in common are no people.
    """
    names = {image.folders[level] for image in found}
    begin = mean(image.stem.casefold().startswith(image.folders[level].casefold()) for image in found)
    alike = len(names) > MAX_CLASSES or len({name[:3] for name in names}) == 1
    ids = alike or all(re.search(r"\d", name) for name in names)
    return (begin > 0.5 and ids) or (len(names) > 2 and len({re.sub(r"\d+", "#", name) for name in names}) == 1)


def people_level(found: Sequence[Found]) -> int | None:
    """Return which level of folders are people, if one is: what is below may be days, series or sequences.

    The first that looks like people, or has more folders than there are classes, or else the last of several folders.
    """
    names = [{image.folders[level] for image in found} for level in range(min(len(image.folders) for image in found))]
    several = [level for level, folders in enumerate(names) if len(folders) > 1]
    sure = (level for level in several if people_folders(found, level) or len(names[level]) > MAX_CLASSES)
    return next(sure, several[-1] if several else None)


def named_people(found: list[Found], person: str) -> list[Found]:
    """Return the images with the person: what the expression finds, the folder, or the image's own name.

    Raises
    ------
    InputError
        If the expression is none, or does not fit an image.
    """
    if person:
        try:
            matches = [re.search(person, str(image.path)) for image in found]
        except re.error as error:
            raise InputError(f"--person {person}: not a regular expression ({error}): correct it") from error
        if None in matches:
            path = found[matches.index(None)].path
            raise InputError(f"--person {person}: not found in {shown(str(path))} and {matches.count(None) - 1} others")
        names = [match[1] if match.re.groups else match[0] for match in matches if match]
        return [replace(image, person=plain(name or "")) for image, name in zip(found, names, strict=True)]
    if (level := people_level(found)) is not None:
        return [replace(image, person=plain(image.folders[level])) for image in found]
    names = [plain(image.stem) for image in found]
    twice = {name for name, times in Counter(names).items() if times > 1}
    return [
        replace(image, person=plain(str(image.path.parent / image.stem)) if name in twice else name)
        for image, name in zip(found, names, strict=True)
    ]


def colours_of(folder: Path, found: Sequence[Found], colours: str) -> str:
    """Return what the table says of pictures in colour: nothing if there are none.

    Raises
    ------
    InputError
        If it is not said.
    """
    if colours not in ("", *COLOURS):
        raise InputError(f"--colour {colours}: expected {' or '.join(COLOURS)}")
    pictures = [folder / image.path for image in found if is_picture(Path(image.path))]
    some = pictures[:: max(1, len(pictures) // SAMPLED)]
    coloured = [path for path in some if in_colour(path)]
    if coloured and not colours:
        raise InputError(
            f"{folder}: {len(coloured)} of {len(some)} pictures looked at are in colour ({coloured[0].name}): add "
            f"--colour {COLOURS[0]} if the colours are three sequences, --colour {COLOURS[1]} if they mean nothing"
        )
    return colours if coloured else ""


def sentences(found: Sequence[Found], colours: str) -> Iterator[str]:
    """Yield what was understood."""
    people = Counter(image.person for image in found)
    masks, labels = sum(bool(image.mask) for image in found), Counter(image.label for image in found if image.label)
    splits = Counter(image.split for image in found if image.split)
    said = [f"{len(found)} images of {len(people)} people", f"{masks} with a mask"]
    said.append(f"labels from folders: {counted(labels)}" if labels else "without labels")
    if splits:
        said.append(f"split from folders: {counted(splits)}")
    if len(splits) == 1:
        said.append("others dealt")
    if colours:
        said.append(f"colours as {colours}")
    yield ", ".join(said)
    several_of = defaultdict(set)
    for image in found:
        several_of[image.person].add(image.label)
    if len(people) == len(found) and len(found) > 1:
        yield (
            "each image counts as a person of its own: give all of a person one patient_id, or add --person REGEX, as "
            "--person '([^/_-]+)[^/]*$' (what stands before the first _ or - of a file's name)"
        )
    if further := [image for image in found if FURTHER.fullmatch(image.stem)]:
        names = several(Path(), [Path(image.path) for image in further])
        yield f"{names} are named as dcm2niix names echoes, phases and the like: delete the rows that are not meant"
    if mixed := [name for name, found_labels in several_of.items() if len(found_labels) > 1]:
        yield f"{len(mixed)} people have images of several labels ({', '.join(map(shown, mixed[:3]))})"


def counted(counts: Counter[str]) -> str:
    """Return names with how often they are found."""
    return ", ".join(f"{shown(name)} {count}" for name, count in sorted(counts.items()))
