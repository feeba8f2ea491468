"""Training and evaluation speed on this machine's CPU, beside the usual code: `python benchmarks/training.py`.

Ours is `training.finetune` itself, with the validation and the copy of the best weights that belong to it. The peers
read the same slices as PNG files through a DataLoader with two workers, and train with PyTorch's default SGD: a loop
in the style of torchvision's references, and Lightning's Trainer. Neither their start-up nor a validation is counted,
which is in their favour. Each has a process of its own, since ours changes how memory is kept in its process;
repetitions are interleaved. The rate of matrix multiplication is that of ``torch.mm`` in our process, before and after
each repetition. Needs Lightning: see ``requirements.in``.
"""

import argparse
import json
import logging
import multiprocessing
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from brats_al_utils.networks import training
from brats_al_utils.networks.network import build, normalisation
from brats_al_utils.networks.training import EVALUATION_BATCH, Images, finetune, predict
from brats_al_utils.study.profile import PROFILES

RESULTS = Path(__file__).parent / "results"
PAPER = PROFILES["paper"]
SETTINGS = PAPER.training_settings(epochs=1)
START = "scratch"
PEERS = ("torchvision's loop", "Lightning")


@cache
def slices(count: int) -> np.ndarray[Any, Any]:
    """Return smooth made-up slices [count, 3, H, W] of uint8, black outside of a head: PNG packs them as real ones."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(40, 220, (count, 3, 28, 28)))
    fine = nn.functional.interpolate(coarse, size=PAPER.image_size, mode="bilinear").numpy()
    y, x = np.mgrid[-1 : 1 : PAPER.image_size * 1j, -1 : 1 : PAPER.image_size * 1j]
    noisy = fine + rng.normal(0, 8, fine.shape)
    return np.where(x**2 + 0.7 * y**2 < 0.7, noisy, 0).clip(0, 255).astype(np.uint8)


def write_png(folder: Path, count: int) -> None:
    """Write the slices as PNG files in a folder for each label."""
    for number, pixels in enumerate(slices(count)):
        path = folder / str(number % 2) / f"{number:04d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(path)


def matmul_rate(size: int = 2048, repeats: int = 5) -> float:
    """Return the median operations a second of float32 matrix multiplication."""
    a, b, product = (torch.rand(size, size) for _ in range(3))
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        torch.mm(a, b, out=product)
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / float(np.median(seconds))


def step_operations() -> int:
    """Return the operations of a training step's layers, forward and backward; a multiply-add counts two."""
    network = build(START, 0)
    pixels = torch.zeros(PAPER.batch_size, 3, PAPER.image_size, PAPER.image_size)
    with FlopCounterMode(display=False) as counter:
        cross_entropy(network(pixels), torch.zeros(len(pixels), dtype=torch.long)).backward()
    return int(counter.get_total_flops())


@cache
def images(count: int) -> Images:
    """Return the slices as ours has them."""
    return Images.load(slices(count), np.arange(count) % 2, normalisation(START), torch.device("cpu"))


def train_ours(count: int) -> dict[str, float]:
    """Return images a second of `finetune`, and the rate of matrix multiplication around it."""
    network, before = build(START, 0), matmul_rate()
    started = time.perf_counter()
    finetune(network, images(count), np.arange(count), np.arange(2), SETTINGS, 0)
    seconds = time.perf_counter() - started
    return {"images_per_second": count / seconds, "matmul": (before + matmul_rate()) / 2}


def evaluate_ours(count: int, batch: int) -> dict[str, float]:
    """Return images a second of `predict` in batches of a size."""
    network, training.EVALUATION_BATCH = build(START, 0), batch
    started = time.perf_counter()
    predict(network, images(count), np.arange(count))
    return {"images_per_second": count / (time.perf_counter() - started)}


def loader(folder: Path) -> DataLoader[Any]:
    """Return the usual way to read image files."""
    mean, std = normalisation(START)
    transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)])
    return DataLoader(ImageFolder(str(folder), transform), PAPER.batch_size, shuffle=True, num_workers=2)


def usual_network() -> nn.Module:
    """Return the same network in PyTorch's default layout."""
    return build(START, 0).to(memory_format=torch.contiguous_format).train()


def usual_optimiser(network: nn.Module) -> torch.optim.Optimizer:
    """Return SGD with our hyperparameters and PyTorch's defaults."""
    return torch.optim.SGD(
        network.parameters(), SETTINGS.learning_rate, SETTINGS.momentum, weight_decay=SETTINGS.weight_decay
    )


def rate(ends: list[float]) -> dict[str, float]:
    """Return images a second between the end of the first step and that of the last."""
    return {"images_per_second": PAPER.batch_size * (len(ends) - 1) / (ends[-1] - ends[0])}


def train_reference(folder: Path) -> dict[str, float]:
    """Return images a second of a loop in the style of torchvision's reference for classification."""
    network, ends = usual_network(), []
    optimiser = usual_optimiser(network)
    for batch, labels in loader(folder):
        loss = cross_entropy(network(batch), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()  # the reference logs it
        ends.append(time.perf_counter())
    return rate(ends)


def train_lightning(folder: Path) -> dict[str, float]:
    """Return images a second of Lightning's Trainer."""
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    ends: list[float] = []

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = usual_network()

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            return cross_entropy(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return usual_optimiser(self.network)

        def on_train_batch_end(self, *_: Any) -> None:
            ends.append(time.perf_counter())

    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=1, enable_model_summary=False, **quiet, default_root_dir=folder
    )
    trainer.fit(Module(), loader(folder))
    return rate(ends)


def measure(repetitions: int = 5, count: int = 320) -> pd.DataFrame:
    """Return one row for each measurement.

    Parameters
    ----------
    repetitions : int
        Of each, after one that is not counted.
    count : int
        Slices of an epoch.

    Returns
    -------
    pd.DataFrame
        benchmark (training or evaluation), method, repetition, images_per_second; matmul: operations a second of matrix
        multiplication (ours), share: of these, what the layers of our training steps did.
    """
    operations = step_operations() / PAPER.batch_size
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_png(folder, count)
        cases: dict[tuple[str, str], tuple[str, Callable[[], dict[str, float]]]] = {
            ("training", "ours"): ("ours", partial(train_ours, count)),
            ("training", PEERS[0]): ("reference", partial(train_reference, folder)),
            ("training", PEERS[1]): ("lightning", partial(train_lightning, folder)),
            ("evaluation", f"ours, batches of {EVALUATION_BATCH}"): (
                "ours",
                partial(evaluate_ours, 2 * EVALUATION_BATCH, EVALUATION_BATCH),
            ),
            ("evaluation", f"ours, batches of {PAPER.batch_size}"): (
                "ours",
                partial(evaluate_ours, 2 * EVALUATION_BATCH, PAPER.batch_size),
            ),
        }
        spawn = multiprocessing.get_context("spawn")
        pools = {name: ProcessPoolExecutor(1, mp_context=spawn) for name, _ in cases.values()}
        try:
            rows = []
            for repetition in range(repetitions + 1):
                for (benchmark, method), (pool, work) in cases.items():
                    row = {"benchmark": benchmark, "method": method, "repetition": repetition}
                    rows.append(row | pools[pool].submit(work).result())
        finally:
            for executor in pools.values():
                executor.shutdown()
    table = pd.DataFrame(rows)
    table["share"] = table["images_per_second"] * operations / table["matmul"]
    return table[table["repetition"] > 0].reset_index(drop=True)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each method: median, min and max of images a second; ratio: ours (the first) over it."""
    groups = table.groupby(["benchmark", "method"], sort=False)
    summary = groups["images_per_second"].agg(["median", "min", "max"])
    first = summary.groupby("benchmark")["median"].transform("first")
    return summary.assign(ratio=first / summary["median"], share=groups["share"].median()).reset_index()


def main() -> None:
    """Measure, keep the measurements as CSV, and print their summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the summary to this file as well")
    options = parser.parse_args()
    table = measure(options.repetitions)
    RESULTS.mkdir(exist_ok=True)
    table.to_csv(RESULTS / "training.csv", index=False, float_format="%.6g", lineterminator="\n")
    summary = summarise(table)
    print(f"{platform.machine()}, {torch.get_num_threads()} threads of {os.cpu_count()}, torch {torch.__version__}")
    print(summary.round(2).to_string(index=False, na_rep=""))
    if options.json:
        options.json.write_text(json.dumps(summary.to_dict(orient="records"), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
