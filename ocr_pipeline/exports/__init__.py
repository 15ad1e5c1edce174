"""Ways out: how hard each problem is, and the data set in the forms that trainers and RL stacks read.

* ``difficulty.py`` measures problems by what teachers made of them.
* ``conversations.py`` and ``rewards.py`` shape rows for supervised training and for RL; ``export.py`` streams them.
* ``joining.py`` fills withheld statements in from a copy of the user's own.

What is in the data set is decided by the selection, not here: an export leaves out what its form cannot hold, and says so.
"""

from typing import Final

VERSION: Final = "2"
"""Changes when the same executions give another ``problem_difficulty``."""
