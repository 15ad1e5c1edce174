"""How good the tests of each problem are: which right programs they refuse, and which wrong ones they let through.

* ``mutations.py`` knows the ways to spoil a right program, ``mutants.py`` chooses some of them.
"""

from typing import Final

VERSION: Final = "4"
"""Changes when the same programs and tests give another ``test_quality``."""
