"""Queries that take long: while one is computed, the network trains on what others have chosen (see `stages.train`)."""

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from brats_al_utils.study.stages import Row, choose, uncertainty
from brats_al_utils.study.study import Study

QUICK = 2.0
"""Seconds to wait for queries before a training: quick ones are then trained together."""


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
