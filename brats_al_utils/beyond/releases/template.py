"""Write the table of a folder of images from the names of its folders and files. The user then corrects it."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from statistics import mean

import pandas as pd

from brats_al_utils import InputError
from brats_al_utils.beyond.releases.formats import other_formats
from brats_al_utils.beyond.releases.images import CHANNELS, COLOURS, IMAGES, in_colour, is_image, is_picture
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
"""Name of a mask beside an image with the first part of the name: t2_tumor_reader1.nii.gz beside t2.nii.gz."""

MASK_ALONE = re.compile(
    r"masks?|segm?|segmentation|labels?|(tumou?r|lesion|segmentation)[-_ ](mask|seg|label)", re.IGNORECASE
)
"""Whole name of a mask in a folder that holds only it and its image."""

NNUNET = re.compile(r"(.+)_(000\d)")
"""Name of a case and number of a channel, in nnU-Net's folders imagesTr and imagesTs."""

FURTHER = re.compile(r".*_(e\d|ph|ADC|Eq_\d|Tilt_\d)[a-z]?")
"""Names that dcm2niix gives to further files of a series: echoes, phase, diffusion, interpolated volumes."""

SPLITS = dict.fromkeys(("train", "training"), "training") | dict.fromkeys(("test", "testing"), "test")
SPLITS |= dict.fromkeys(("val", "valid", "validation"), "validation")
"""Parts of the split by the names of folders."""

FOLDS = re.compile(r"(fold|split|batch)[-_ ]?\d+", re.IGNORECASE)
"""Folders of folds, which are neither classes nor people."""

ANNOTATION = {"state.json", "images.csv", "sets"}
"""Entries of an annotation's folder, by which it is recognised."""

MAX_CLASSES = 10
"""Up to so many folders beside each other are classes, more are people."""

SAMPLED = 50
"""Number of pictures, evenly among all, that are opened to see whether the images are in colour."""


@dataclass(frozen=True)
class Found:
    """An image, and the cells of the table that follow from its path.

    Attributes
    ----------
    path : PurePosixPath
        Path below the folder.
    folders : tuple of str
        Folders of the path, without those of a class, a part of the split, or all images.
    stem : str
        The file's name without its ending.
    more : tuple of str
        Files of further channels.
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
    """Write a table with a row for each image in and below a folder, or with two example rows if there is none.

    Folders give labels (``yes``, ``no``), the split (``Training``, ``Testing``) or the person. The mask is a file of
    the same name in a folder of masks, or one with _mask or _seg after the name.

    Parameters
    ----------
    person : str
        A regular expression, searched in each image's path: its first group, or else the whole match, is the person.
    colours : str
        One of ``COLOURS``, for pictures in colour.
    follow_links : bool
        Follow symbolic links out of the folder.

    Returns
    -------
    path : Path
    said : list of str
        What was understood, and what was skipped.

    Raises
    ------
    InputError
        If the folder is missing, already has a table or has too many images, or if it has pictures in colour and
        ``colours`` is empty.
    """
    path = find_table(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder: correct its name")
    files, left_out = walked(folder, follow_links)
    images = [file for file in files if is_image(file)]
    if patients := sorted({name for file in files for name in file.parts if UNGRADED.fullmatch(name)}):
        text = pd.DataFrame({"patient_id": patients, "label": ""}).to_csv(index=False, lineterminator="\n")
        said = [f"{len(patients)} patients of BraTS 2021 or 2023, whose files have known names"]
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
    """Return the table as CSV, a row for each image, without optional columns that are empty."""
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


def walked(folder: Path, follow_links: bool) -> tuple[list[PurePosixPath], list[str]]:
    """Return the files in and below a folder, sorted, and lines on what was skipped."""
    files: list[Path] = []
    left_out: defaultdict[str, list[Path]] = defaultdict(list)
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=follow_links):
        here = Path(place)
        real = str(here.resolve())
        ours = here != folder and (STAMPS in folders or {*folders, *names} >= ANNOTATION)
        if real in seen or ours:  # ours: a study's figures and outputs, or an annotation
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(LEFT_BEHIND))
        visible = [name for name in sorted(names) if not name.startswith(LEFT_BEHIND) or name.endswith(".icloud")]
        for path in [here / name for name in (*folders, *visible)]:
            if path.is_symlink() and not follow_links and not path.resolve().is_relative_to(folder.resolve()):
                left_out["symbolic links out of the folder: add --follow-links"].append(path)
            elif not printable(path.name):
                left_out["names that cannot be printed: rename them"].append(path)
            elif "\\" in path.name:
                left_out["names with backslashes: unpack the ZIP archive again with 7-Zip or unzip"].append(path)
            elif is_image(here / path.name.rstrip(" .")) and not is_image(path):
                left_out["names that end in a space or a dot: rename them"].append(path)
            elif path.name.endswith(".nii") and f"{path.name}.gz" in names:
                left_out["volumes that are there compressed too: delete one of each"].append(path)
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
    """Return a file's name without the ending of an image; other dots are part of the name."""
    ending = next(filter(file.name.casefold().endswith, IMAGES), "")
    return file.name[: len(file.name) - len(ending)]


def understood(images: Sequence[PurePosixPath], person: str) -> tuple[list[Found], list[str]]:
    """Return each image with what its path says, and lines on the masks that were not used."""
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
    elsewhere: dict[str, PurePosixPath] = {}  # masks in other folders than the only image of their name
    for (*_, stem), file in masks.items():
        if alike[stem] == 1 and "original" not in file.parts:  # MONAI Label's folder of a network's masks
            elsewhere.setdefault(stem, file)
    beside = {file.parent: file for file in reversed(images) if MASK_ALONE.fullmatch(stem_of(file))}  # keeps the first
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
        if len(kept) > 1 and kept[1] in tops:  # a copy of the whole data set in a folder
            kept = kept[1:]
        split = next((SPLITS[name.casefold()] for name in file.parent.parts if name.casefold() in SPLITS), "")
        mask = masks.get((*keys[file][:-1], case.casefold())) or elsewhere.get(case.casefold())
        mask = mask or (beside.get(file.parent) if images_in[file.parent] == 1 else None)
        more = tuple(of_case[file.parent, case][1 : len(CHANNELS)])
        found.append(Found(file, tuple(kept), case, split=split, mask=str(mask or ""), more=more))
    if not found:  # all files have names of masks
        found = [Found(file, file.parent.parts, stem_of(file)) for file in images]
        every_mask = set()
    splits = {image.split for image in found}
    if not {"training", "test"} <= splits or "" in splits:
        found = [replace(image, split="") for image in found]
    elif "validation" not in splits:  # some training patients will be dealt to it
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
    """Whether a folder holds masks, by its name or the last word of its name (lung masks)."""
    return folder in MASK_FOLDERS or re.split("[-_ ]", folder)[-1] in ("mask", "masks", "segmentation", "segmentations")


def channel_of(file: PurePosixPath) -> tuple[str, int] | None:
    """Return the case and the channel's number of a file in nnU-Net's layout; None for any other."""
    named = NNUNET.fullmatch(stem_of(file))
    return (named[1], int(named[2])) if named and file.parent.name in ("imagesTr", "imagesTs") else None


def labelled(found: list[Found]) -> list[Found]:
    """Return the images with their first folder as the label, if all have one, and these are few and not people."""
    names = [image.folders[0] if image.folders else "" for image in found]
    count = Counter(names)
    if "" in count or not 2 <= len(count) <= MAX_CLASSES or people_folders(found, 0):
        return found
    return [replace(image, label=plain(image.folders[0]), folders=image.folders[1:]) for image in found]


def people_folders(found: Sequence[Found], level: int) -> bool:
    """Whether the folders of a level are people: their images' names begin with the folder's, or only numbers differ.

    Images may begin with their class's name too (benign/benign (1).png). So a few folders with neither numbers nor a
    common beginning are not people.
    """
    names = {image.folders[level] for image in found}
    begin = mean(image.stem.casefold().startswith(image.folders[level].casefold()) for image in found)
    alike = len(names) > MAX_CLASSES or len({name[:3] for name in names}) == 1
    ids = alike or all(re.search(r"\d", name) for name in names)
    return (begin > 0.5 and ids) or (len(names) > 2 and len({re.sub(r"\d+", "#", name) for name in names}) == 1)


def people_level(found: Sequence[Found]) -> int | None:
    """Return the level of folders that are people; None without one. Below it may be days, series or sequences.

    It is the first level that looks like people or has over ``MAX_CLASSES`` folders, or else the last with several.
    """
    names = [{image.folders[level] for image in found} for level in range(min(len(image.folders) for image in found))]
    several = [level for level, folders in enumerate(names) if len(folders) > 1]
    sure = (level for level in several if people_folders(found, level) or len(names[level]) > MAX_CLASSES)
    return next(sure, several[-1] if several else None)


def named_people(found: list[Found], person: str) -> list[Found]:
    """Return the images with their person: what the expression finds, the folder, or the image's own name.

    Raises
    ------
    InputError
        If the expression is invalid, or does not match an image.
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
    """Return the table's cells of column colours: ``colours`` if there are pictures in colour, or else empty.

    Raises
    ------
    InputError
        If there are, and ``colours`` is empty; or if it is unknown.
    """
    if colours not in ("", *COLOURS):
        raise InputError(f"--colour {colours}: expected {' or '.join(COLOURS)}")
    pictures = [folder / image.path for image in found if is_picture(Path(image.path))]
    some = pictures[:: max(1, len(pictures) // SAMPLED)]
    coloured = [path for path in some if in_colour(path)]
    if coloured and not colours:
        raise InputError(
            f"{folder}: {len(coloured)} of {len(some)} pictures looked at are in colour ({coloured[0].name}): add "
            f"--colour {COLOURS[0]} if each colour is a sequence, --colour {COLOURS[1]} if colours mean nothing"
        )
    return colours if coloured else ""


def sentences(found: Sequence[Found], colours: str) -> Iterator[str]:
    """Yield lines on what was understood."""
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
            "--person '([^/_-]+)[^/]*$' (the part of a file's name before the first _ or -)"
        )
    if further := [image for image in found if FURTHER.fullmatch(image.stem)]:
        names = several(Path(), [Path(image.path) for image in further])
        yield f"{names} have dcm2niix's names of echoes, phases and the like: delete the rows that you do not want"
    if mixed := [name for name, found_labels in several_of.items() if len(found_labels) > 1]:
        yield f"{len(mixed)} people have images of several labels ({', '.join(map(shown, mixed[:3]))})"


def counted(counts: Counter[str]) -> str:
    """Return names with their counts."""
    return ", ".join(f"{shown(name)} {count}" for name, count in sorted(counts.items()))
