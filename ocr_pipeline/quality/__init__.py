"""How good the tests of each problem are: which right programs they refuse, and which wrong ones they let through.

* ``reading.py`` reads what is known of some problems, ``running.py`` runs their programs and mutants, ``problems.py`` holds
  what came of it; ``measuring.py`` writes the rows, with the intervals and bands of ``rates.py``; ``summary.py`` adds them up.
* ``mutations.py`` knows the ways to spoil a right program, ``mutants.py`` chooses some of them.
"""

from typing import Final

VERSION: Final = "5"
"""Changes when the same programs and tests give another ``test_quality``."""
