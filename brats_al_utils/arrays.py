"""What a signature calls a numpy array; its docstring says of which shape and kind."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
