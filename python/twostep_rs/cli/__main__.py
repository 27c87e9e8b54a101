"""``python -m twostep_rs.cli``."""

from __future__ import annotations

import sys

from twostep_rs.cli import main

sys.exit(main())
