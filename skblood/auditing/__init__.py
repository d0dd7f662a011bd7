"""Audit of a set of images: copies, leaks between splits, bad images and doubtful labels."""

from ._audit import audit
from ._audit_report import AuditReport

__all__ = ["AuditReport", "audit"]
