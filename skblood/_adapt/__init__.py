"""A fitted classifier adapted to the cells of another laboratory.

Nothing is imported here: files of models know `_report` without the classifiers.
"""
