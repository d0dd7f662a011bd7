"""The audit of a set of images: copies, leaks, and what else spoils a score."""

from ._audit import audit
from ._report import AuditReport

__all__ = ["AuditReport", "audit"]
