"""Tests that are made: inputs from a grammar or a model's programs, outputs that right programs agree on, kept for what they catch.

``statement.py`` reads what a statement says, ``inferring.py`` finds the grammar of known inputs, ``understanding.py`` brings
both together: ``naming.py`` aligns names with fields, ``bounding.py`` bounds them, ``relating.py`` finds what holds between
values, ``freezing.py`` keeps what nobody understood. ``making.py`` says which inputs are made, ``drawing.py`` draws one, ``calls.py`` those of functions,
``worded.py`` their texts, and ``agreements.py`` how their arguments go together. ``working.py``
makes the tests of one problem: its values are in ``outcomes.py``, its runs in ``bench.py``, the teacher's programs are tried in
``trying.py``. ``step.py`` makes those of a table.
How good tests are is measured in ``quality``.
"""

from typing import Final

VERSION: Final = "9"
"""Changes when the same input gives other bytes."""
