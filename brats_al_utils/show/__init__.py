"""What people look at: figures, notebooks and the report."""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # a second for a format no notebook has
