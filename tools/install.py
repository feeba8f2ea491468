"""Install packages as `pip install` does, in a fraction of its time: by uv, from where pip is configured to look.

Run by the Python into whose environment they go, with the options of `uv pip install`. A mirror, a proxy, a certificate
or a folder of wheels that is set up for pip serves uv too; what uv's own variables (UV_...) say comes first.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping

VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}
"""pip's name of a setting, and the environment variable that tells uv the same."""

LEVELS = ":env:", "install", "global"
"""Where pip takes a setting from, the first that has it."""

SETTINGS = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_COMPILE_BYTECODE": "1"}
"""As pip does: a package comes from any of the indexes (its hash is known), and is compiled now, not at first use."""


def settings(listed: str) -> Mapping[str, str]:
    """Return what `pip config list` printed as environment variables of uv."""
    found = dict(line.split("=", 1) for line in listed.splitlines() if "=" in line)
    variables = dict(SETTINGS)
    for name, variable in VARIABLES.items():
        values = [found[f"{level}.{name}"] for level in LEVELS if f"{level}.{name}" in found]
        if values:
            words = str(ast.literal_eval(values[0])).split()
            variables[variable] = ("," if name == "find-links" else " ").join(words)
    return variables


def main() -> None:
    """Install what the command line names."""
    pip = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(pip, capture_output=True, encoding="utf-8", check=True).stdout  # noqa: S603
    command = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, *sys.argv[1:]]
    sys.exit(subprocess.run(command, env={**settings(listed), **os.environ}).returncode)  # noqa: S603


if __name__ == "__main__":
    main()
