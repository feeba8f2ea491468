"""Go through the stages of arms whose queries take long: while one is made, what others have chosen is trained."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from brats_al_utils.study.arms import Arm
from brats_al_utils.study.stages import Row, choose, compute, plan, uncertainty
from brats_al_utils.study.study import Study

QUICK = 2.0
"""Seconds in which queries may be made before anything is trained on them: quick ones come all at once."""


def train(study: Study, arms: Iterable[Arm]) -> list[Row]:
    """Return what `stages.train` does."""
    rows = plan(study, arms)
    compute(study, rows)
    while not all(row.known for row in rows):
        for rows in as_chosen(study, rows):  # noqa: B020  # the table grows
            compute(study, rows)
    return rows


def as_chosen(study: Study, rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the table as its next queries are made, run by run."""
    parts = {number: [row for row in rows if row.number == number] for number in range(study.profile.n_runs)}
    with ThreadPoolExecutor(1) as beside:  # one thread: a clustering uses all cores as it is
        left = {beside.submit(lambda own: choose(study, own, uncertainty(study, own)), parts[n]): n for n in parts}
        while left:
            wait(left, QUICK)
            for made in wait(left, return_when=FIRST_COMPLETED).done:
                parts[left.pop(made)] = made.result()
            yield [row for number in parts for row in parts[number]]
