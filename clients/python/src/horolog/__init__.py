"""Workers for Horolog, a clustered job scheduler on PostgreSQL."""

from ._errors import FinalError, Problem, RetryLater
from ._run import Cancelled, Run
from ._worker import Worker

__all__ = ["Cancelled", "FinalError", "Problem", "RetryLater", "Run", "Worker"]
__version__ = "0.1.0"
