"""Audit of a set of images: copies, leaks between splits, bad images and doubtful labels."""

from ._audit import audit
from ._audit_report import AuditReport
from ._label_errors import confident_errors, out_of_fold_probabilities

__all__ = ["AuditReport", "audit", "confident_errors", "out_of_fold_probabilities"]
