"""Everything rareevent raises on purpose.

RareEventError                 exit code 1
├── ConfigError                2   a pipeline file, an option or a key is wrong
├── DataError                  3   the input cannot be used as it is
├── LeakError                  4   the leak audit failed the run
├── TrainingError              5   training diverged or has nothing to learn from
├── ModelError                 6   a bundle or registered model cannot be loaded or does not fit
├── OutputError                7   an output cannot be written
│   └── LockedError            8   another job holds the output
├── TrackingError              9   MLflow cannot be reached or does not know the run
└── PromotionError            11   a version cannot become champion: no fair comparison, none before
"""


class RareEventError(Exception):
    """Base of every error with a message meant for the user."""

    exit_code = 1


class ConfigError(RareEventError):
    """A pipeline file, an override or an option is wrong."""

    exit_code = 2


class DataError(RareEventError):
    """The input is missing, unreadable or breaks the data contract."""

    exit_code = 3


class LeakError(RareEventError):
    """The leak audit found knowledge of a later part in an earlier one."""

    exit_code = 4


class TrainingError(RareEventError):
    """Training diverged, or there is nothing to learn from."""

    exit_code = 5


class ModelError(RareEventError):
    """A model cannot be loaded, or does not fit the data it is asked to score."""

    exit_code = 6


class OutputError(RareEventError):
    """An output cannot be written."""

    exit_code = 7


class LockedError(OutputError):
    """Another job is writing to the same output."""

    exit_code = 8


class TrackingError(RareEventError):
    """MLflow cannot be reached, or does not know the run or model asked for."""

    exit_code = 9


class PromotionError(RareEventError):
    """A version cannot become champion.

    There is no fair comparison, no earlier champion, or somebody else was changing it.
    """

    exit_code = 11


class RareEventWarning(UserWarning):
    """Something the user should know that does not stop the work."""
