"""The reports of a differential count that a laboratory reads, keeps and signs."""

from skblood.evaluation._count_fhir import write_fhir
from skblood.evaluation._count_lines import list_slides
from skblood.evaluation._count_outputs import format_count, tabulate_report, write_csv, write_html


class CountReports:
    """Reports, as methods of `DifferentialCount`."""

    def __str__(self):
        return format_count(self)

    @property
    def manual_look(self):
        """Why each slide should be looked at by a person."""
        return [slide.reasons for slide in list_slides(self)]

    def to_table(self):
        """Return the report of the count as a table: one row for each class on each slide.

        Returns
        -------
        pandas.DataFrame
            With the columns slide, patient (if given), class, count, reviewed, percent (whole),
            share, low, high (of nucleated red cells per white cell), n_white, n_rejected,
            n_reviewed, and manual_look: the reasons for one.
        """
        return tabulate_report(self)

    def to_csv(self, path=None):
        """Write the table of the report, `to_table`, as csv.

        Parameters
        ----------
        path : str or path-like, default=None
            The file to write; an existing one is replaced. None returns the text.

        Returns
        -------
        text or path : str or pathlib.Path
        """
        return write_csv(self, path)

    def to_html(self, path=None):
        """Write the report of the count as a page to look through, print and sign.

        Parameters
        ----------
        path : str or path-like, default=None
            The file to write, which needs no other; an existing one is replaced. None returns the
            page.

        Returns
        -------
        page or path : str or pathlib.Path
        """
        return write_html(self, path)

    def to_fhir(self, path=None, *, signed_by=None):
        """Write the report of the count as FHIR R4 JSON, with LOINC codes.

        Parameters
        ----------
        path : str or path-like, default=None
            The file to write; an existing one is replaced. None returns the bundle.
        signed_by : str, default=None
            Who has verified the report and signs it as final. None leaves it preliminary, in the
            terms of FHIR "partial".

        Returns
        -------
        bundle or path : dict or pathlib.Path
            A Bundle with a DiagnosticReport of each slide, which contains its Observations. Add
            what your system requires.

        Notes
        -----
        The codes are those of LOINC without a method (panel 69738-3): a classified image is neither
        an "automated count", that of a cell counter, nor a "manual count" of a reader. The method
        is stated as text. Names of codes, which differ between versions of LOINC, are left out. A
        share that rounds to 0 % is "< 1 %". The number of cells and the interval are components.
        """
        return write_fhir(self, path, signed_by)
