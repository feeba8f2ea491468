"""Cohorts as others released them, and the table of any folder of images.

Each of ``READERS`` in turn returns the cohort in a folder, or None if it is of another kind. If all return None,
``HINT`` returns what the folder holds instead and how to convert it, or an empty text.
"""

from brats_al_utils.beyond.releases.figshare import read_figshare
from brats_al_utils.beyond.releases.formats import what_else
from brats_al_utils.beyond.releases.lgg import read_lgg
from brats_al_utils.beyond.releases.table import read_table
from brats_al_utils.beyond.releases.tcia import read_tcia

READERS = (read_table, read_figshare, read_lgg, read_tcia)
HINT = what_else
