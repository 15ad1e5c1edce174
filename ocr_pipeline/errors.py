"""The errors of the pipeline, one for each boundary it crosses.

::

    PipelineError             anything below; its text is one line that says what, with the value, and what to do
    ├── InputError            a file, folder, column, id or option that a person gave and we cannot use
    │   ├── OptionError       an option out of its bounds, or several that contradict each other: wrong usage
    │   └── MissingInputError what another step, or a person, has to make first
    ├── StoreError            the data root: not writable, locked by another writer, a damaged partition
    │   └── OvertakenError    another machine replaced it meanwhile; nothing of ours was published
    ├── ConservationError     a step whose rows do not add up: in ≠ kept + Σ dropped; a bug of ours, never data
    ├── ModelError            an embedding or student model that cannot be loaded or is not the one asked for
    ├── TeacherError          the server or its configuration; a single refused request is a row, not an error
    ├── BudgetError           a hard cap that leaves no room to start
    ├── JudgeError            the sandbox or the compiler; a candidate that fails is a verdict, not an error
    ├── TrainingError         a training run that cannot start or continue
    └── PublishError          a hub that refuses, or cannot be reached

A bad row, a refused request and a failing candidate are data: they become rows with a reason. Only what stops a
whole step is raised, and only from this tree. The command line turns it into one line and exit code 1, wrong usage
into exit code 2.
"""

__all__ = [
    "BudgetError",
    "ConservationError",
    "InputError",
    "JudgeError",
    "MissingInputError",
    "ModelError",
    "OptionError",
    "OvertakenError",
    "PipelineError",
    "PublishError",
    "StoreError",
    "TeacherError",
    "TrainingError",
]


class PipelineError(Exception):
    """Base of every error the pipeline raises on purpose."""


class InputError(PipelineError):
    """Something a person gave cannot be used."""


class OptionError(InputError):
    """An option is out of its bounds, or options contradict each other."""


class MissingInputError(InputError):
    """What is to be read does not exist yet: another step makes it, or a person puts it there."""


class StoreError(PipelineError):
    """The data root cannot be read or written as asked."""


class OvertakenError(StoreError):
    """Somebody else has replaced what was read before it was written."""


class ConservationError(PipelineError):
    """A step lost or invented rows."""


class ModelError(PipelineError):
    """A model cannot be loaded, or is not the one that was asked for."""


class TeacherError(PipelineError):
    """The teacher cannot be reached or is misconfigured."""


class BudgetError(PipelineError):
    """A budget forbids to start."""


class JudgeError(PipelineError):
    """The judge itself cannot work; never raised because of a candidate."""


class TrainingError(PipelineError):
    """A training run cannot start or continue."""


class PublishError(PipelineError):
    """A release cannot be handed on: the hub refuses it, or cannot be reached."""
