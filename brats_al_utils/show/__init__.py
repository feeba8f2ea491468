"""Figures, tables, notebooks and the report."""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # saves a second: a format no notebook uses
