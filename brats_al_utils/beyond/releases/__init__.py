"""Cohorts as others released them, and the table of any folder of images.

``READERS`` are asked in turn what lies in a folder: each returns the cohort, or None if it is of another kind. Where
nobody finds a cohort, ``HINT`` returns what lies there instead and the mend, or nothing.
"""

from brats_al_utils.beyond.releases.figshare import read_figshare
from brats_al_utils.beyond.releases.formats import what_else
from brats_al_utils.beyond.releases.lgg import read_lgg
from brats_al_utils.beyond.releases.table import read_table
from brats_al_utils.beyond.releases.tcia import read_tcia

READERS = (read_table, read_figshare, read_lgg, read_tcia)
HINT = what_else
