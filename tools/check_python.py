"""Say in one line why this interpreter cannot carry the package; any old Python can run this."""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "PYTHON: expected CPython 3.11 or newer, got %d.%d (%s); choose another with "
        "`make PYTHON=python3.12 ...`" % (sys.version_info[0], sys.version_info[1], sys.executable)
    )

try:
    import ensurepip  # noqa: F401
    import venv  # noqa: F401
except ImportError:
    sys.exit(
        "PYTHON: expected an interpreter with venv and ensurepip, got %s without them; on Debian "
        "and Ubuntu the package python3-venv brings them" % sys.executable
    )
