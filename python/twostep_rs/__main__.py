"""``python -m twostep_rs``: the command ``twostep``, for launchers such as torchrun."""

from __future__ import annotations

import sys

from twostep_rs.cli import main

sys.exit(main())
