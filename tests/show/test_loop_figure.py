"""The figure of the simulated loop: its files, and what it says of its origin."""

from pathlib import Path

import annotation_loop as figure
import numpy as np
import pandas as pd
import pytest
from annotation_loop import ARMS, loop_curve, simulated_profile
from small_annotation import pictures


def predictions() -> pd.DataFrame:
    """Return made-up predictions: after each query the strategy tells the classes apart a little better."""
    frames, label = [], np.arange(20) % 2
    for seed, number, place in np.ndindex(3, 3, len(ARMS)):
        noise = np.random.default_rng([seed, number, place]).normal(size=20)
        frame = pd.DataFrame({"label": label, "score": noise + label * (0.4 * number + 0.7 - 0.3 * place)})
        frame = frame.assign(seed=seed, fold=seed, query=number + 1, annotated=60 + 40 * number, arm=ARMS[place])
        names = [f"p{each % 10}{each % 2}" for each in range(20)]
        frames.append(frame.assign(patient_id=names, key=f"{ARMS[place]} {seed} {number}"))
    return pd.concat(frames, ignore_index=True)


def test_drawn_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    curve = loop_curve(predictions())
    data = pictures(tmp_path / "data", patients=6, labelled=6)
    monkeypatch.setattr(figure, "simulate", lambda *arguments: predictions())
    monkeypatch.setattr(figure, "simulated_profile", lambda classes: simulated_profile(("sick", "well")))
    figure.main(str(data), str(tmp_path / "out"))
    kept = pd.read_csv(tmp_path / "out" / "annotation_loop.csv")
    assert kept["arm"].tolist() == curve["arm"].tolist()
    assert kept["auc"].to_numpy() == pytest.approx(curve["auc"].to_numpy(), rel=1e-5)
    assert (kept["low"] <= kept["high"]).all()
    svg = (tmp_path / "out" / "annotation_loop.svg").read_text(encoding="utf-8")
    assert "Cohort data (6 persons); simulated reader who errs on 5 % of the slices; 64 pixels, 10 epochs" in svg
    assert (tmp_path / "out" / "loop" / ".gitignore").read_text(encoding="utf-8") == "*\n"
    assert "middle less random" in capsys.readouterr().out
