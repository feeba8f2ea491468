"""A folder of pictures that are being annotated, and networks whose answers are made up, so that nothing is trained."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brats_al_utils.beyond.annotation import committee, learning
from brats_al_utils.beyond.annotation.answers import Answer, append, digest, now
from brats_al_utils.beyond.annotation.query import read_query
from brats_al_utils.beyond.annotation.session import ANSWERS, Session, open_session
from brats_al_utils.runs.run import PREDICTED, Result, Run
from brats_al_utils.study.study import Study

CLASSES = ("well", "sick")
SMALL = {"image_size": 64, "classes": ("sick", "well"), "start": "scratch", "epochs": 1}

Score = Callable[[str, Run], float]
"""What a made-up network says of an image, by its name: P(sick)."""


def truth(name: str) -> str:
    """Return the class of an image by its name: patients of odd numbers are sick."""
    return CLASSES[int(Path(name).name[1:4]) % 2]


def pictures(
    root: Path, patients: int = 60, each: int = 2, labelled: int = 0, classes: tuple[str, str] = CLASSES
) -> Path:
    """Write so many pictures of each patient, and their table, in which the first patients have labels."""
    root.mkdir(parents=True, exist_ok=True)
    rows = ["patient_id,label,image"]
    for number in range(patients):
        for picture in range(each):
            name = f"p{number:03}-{picture}.png"
            grey = np.random.default_rng([number, picture]).integers(80, 120, (48, 48), np.uint8)
            grey[10:30, 10:30] += 60 * (truth(name) == "sick")
            Image.fromarray(np.pad(grey, 8)).save(root / name)
            rows.append(f"p{number:03},{classes[number % 2] * (number < labelled)},{name}")
    (root / "cohort.csv").write_text("\n".join(rows), encoding="utf-8")
    return root


def session_of(data: Path, **settings: object) -> Session:
    """Open the annotation of pictures."""
    return open_session(data, settings=None if (data / "annotation" / "state.json").exists() else SMALL | settings)


def clever(name: str, run: Run) -> float:
    """Tell the classes apart the better the more slices a network was trained on, each member a little otherwise."""
    chance = int(sha256(f"{name} {run.settings.learning_rate}".encode()).hexdigest()[:8], 16) / 2**32
    return float(np.clip(0.5 + (truth(name) == "sick" or -1) * 0.004 * len(run.training) + 0.3 * (chance - 0.5), 0, 1))


def made_up(monkeypatch: pytest.MonkeyPatch, score: Score = clever) -> list[Run]:
    """Have no network trained: what each says is a function of the image's name; return the list of what was asked."""
    asked: list[Run] = []

    def compute(study: Study, named: Sequence[tuple[str, Run]], what: str) -> None:
        for _, run in named:
            assert set(study.slices.table["label"].to_numpy()[list(run.training)]) == {0, 1}, "trained on no label"
            names = study.slices.table["image"].to_numpy(str)
            arrays = {
                f"probability/{part}": np.array([score(names[i], run) for i in run.ids(part)]) for part in PREDICTED
            }
            study.store.save(Result(run, arrays, 1, 0.0, {}))
            asked.append(run)

    for module in (committee, learning):
        monkeypatch.setattr(module, "compute_missing", compute)
    return asked


def answer(session: Session, reader: str = "ada", **labels: str) -> Session:
    """Answer every proposal of the last query by the truth, or as it is told, and return the session with that."""
    rows = read_query(session).to_dict(orient="records")
    given = [
        Answer(row["slice_id"], labels.get(row["patient_id"], truth(row["image"])), reader, now(), row["image_sha256"])
        for row in rows
    ]
    append(session.folder / ANSWERS, *given)
    return session_of(session.cohort.root)


def say(session: Session, slice_id: str, label: str, reader: str = "ada", at: str = "") -> None:
    """Add an answer on an image as it is now."""
    image = session.slices.set_index("slice_id").at[slice_id, "image"]
    sha = digest(session.cohort.root / str(image))
    append(session.folder / ANSWERS, Answer(slice_id, label, reader, at or now(), sha))
