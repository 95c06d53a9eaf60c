"""A task without questions."""

from tests.experiments.counting import SILENT as TASK  # noqa: F401
