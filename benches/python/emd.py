"""Exact transport beside its rivals: ``twostep bench ot``, with the options of that.

python benches/python/emd.py [--smoke] [--only WORDS] [--repeats 5] [--seed 1000] [--json FILE]
"""

from __future__ import annotations

import sys

from twostep_rs.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", "ot", *sys.argv[1:]]))
