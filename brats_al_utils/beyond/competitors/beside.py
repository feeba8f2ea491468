"""Train arms whose queries take long: while a query is computed, the network trains on what others have chosen."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from brats_al_utils.study.arms import Arm
from brats_al_utils.study.stages import Row, choose, compute, plan, uncertainty
from brats_al_utils.study.study import Study

QUICK = 2.0
"""Seconds to wait for queries before a training: quick ones are then trained together."""


def train(study: Study, arms: Iterable[Arm]) -> list[Row]:
    """Train some arms and return their table, as `stages.train`."""
    rows = plan(study, arms)
    compute(study, rows)
    while not all(row.known for row in rows):
        for rows in as_chosen(study, rows):  # noqa: B020  # the table grows
            compute(study, rows)
    return rows


def as_chosen(study: Study, rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the table after each query that is computed, run by run."""
    parts = {number: [row for row in rows if row.number == number] for number in range(study.profile.n_runs)}
    with ThreadPoolExecutor(1) as beside:  # one thread: clustering uses all cores itself
        left = {beside.submit(lambda own: choose(study, own, uncertainty(study, own)), parts[n]): n for n in parts}
        while left:
            wait(left, QUICK)
            for made in wait(left, return_when=FIRST_COMPLETED).done:
                parts[left.pop(made)] = made.result()
            yield [row for number in parts for row in parts[number]]
