"""How the eight classes of BloodMNIST look: one row of ranges a class.

Lengths are fractions of half the image's width, or of the cell's radius where the comment says so.
A pair of numbers is the range that one cell's value is drawn from, a pair of colours the two ends
of a mixture. Neighbouring classes overlap on purpose: no single property tells a cell.
"""

from __future__ import annotations

from typing import NamedTuple

Range = tuple[float, float]
Colour = tuple[int, int, int]

BACKGROUND: Colour = (253, 228, 202)
RED_CELL: Colour = (190, 150, 158)


class CellType(NamedTuple):
    """Ranges of what is drawn for one class."""

    # The cell's outline.
    radius: Range
    elongation: Range  # long axis over short axis
    outline: Range  # depth of broad dents and bulges
    fringe: Range  # depth of fine frays
    # The cytoplasm.
    cytoplasm: tuple[Colour, Colour]
    vacuoles: Range  # share of the cytoplasm that is holes, about
    # The nucleus: a chain of round lobes on an arc, joined by an isthmus.
    lobes: tuple[int, int]  # fewest and most; 0 is a cell without nucleus
    lobe_radius: Range  # of the cell's radius
    arc_radius: Range  # of the cell's radius
    arc_span: Range  # degrees
    isthmus: Range  # of the lobe's radius: 0.1 is a thread, 1 a band
    eccentricity: Range  # of the cell's radius
    nucleus_outline: Range  # depth of dents
    nucleus: tuple[Colour, Colour]
    chromatin: Range  # contrast of the nucleus' texture
    # The granules.
    granules: Range  # share of the cytoplasm covered
    granule_size: Range  # 0 fine, 1 coarse
    granules_over_nucleus: Range  # 0 all beside it, 1 they cover it
    granule: tuple[Colour, Colour]


CELL_TYPES = {
    "basophil": CellType(
        radius=(0.52, 0.72), elongation=(1.0, 1.25), outline=(0.01, 0.06), fringe=(0.01, 0.035),
        cytoplasm=((165, 115, 165), (205, 165, 188)), vacuoles=(0.0, 0.02),
        lobes=(1, 3), lobe_radius=(0.45, 0.7), arc_radius=(0.25, 0.4), arc_span=(90, 200),
        isthmus=(0.6, 1.0), eccentricity=(0.0, 0.2), nucleus_outline=(0.01, 0.05),
        nucleus=((85, 38, 132), (115, 68, 150)), chromatin=(0.1, 0.35),
        granules=(0.4, 0.7), granule_size=(0.5, 1.0), granules_over_nucleus=(0.5, 1.0),
        granule=((66, 20, 116), (92, 38, 130)),
    ),
    "eosinophil": CellType(
        radius=(0.6, 0.76), elongation=(1.0, 1.25), outline=(0.01, 0.05), fringe=(0.0, 0.015),
        cytoplasm=((200, 135, 155), (222, 168, 172)), vacuoles=(0.0, 0.05),
        lobes=(2, 3), lobe_radius=(0.33, 0.46), arc_radius=(0.4, 0.55), arc_span=(120, 200),
        isthmus=(0.25, 0.7), eccentricity=(0.1, 0.35), nucleus_outline=(0.005, 0.03),
        nucleus=((72, 30, 128), (100, 52, 142)), chromatin=(0.1, 0.35),
        granules=(0.5, 0.85), granule_size=(0.2, 0.6), granules_over_nucleus=(0.0, 0.2),
        granule=((165, 85, 122), (190, 115, 138)),
    ),
    "erythroblast": CellType(
        radius=(0.36, 0.6), elongation=(1.0, 1.2), outline=(0.01, 0.05), fringe=(0.0, 0.01),
        cytoplasm=((122, 100, 160), (208, 172, 180)), vacuoles=(0.0, 0.01),
        lobes=(1, 1), lobe_radius=(0.5, 0.78), arc_radius=(0.1, 0.2), arc_span=(60, 120),
        isthmus=(0.8, 1.0), eccentricity=(0.0, 0.35), nucleus_outline=(0.003, 0.02),
        nucleus=((58, 24, 112), (85, 42, 132)), chromatin=(0.1, 0.4),
        granules=(0.0, 0.02), granule_size=(0.0, 0.4), granules_over_nucleus=(0.0, 0.2),
        granule=((120, 80, 155), (140, 100, 165)),
    ),
    "ig": CellType(
        radius=(0.6, 0.88), elongation=(1.0, 1.25), outline=(0.01, 0.07), fringe=(0.0, 0.02),
        cytoplasm=((140, 110, 172), (205, 170, 185)), vacuoles=(0.0, 0.02),
        lobes=(1, 2), lobe_radius=(0.52, 0.72), arc_radius=(0.15, 0.35), arc_span=(60, 150),
        isthmus=(0.8, 1.0), eccentricity=(0.1, 0.4), nucleus_outline=(0.01, 0.05),
        nucleus=((78, 34, 130), (112, 62, 150)), chromatin=(0.1, 0.3),
        granules=(0.05, 0.45), granule_size=(0.0, 0.5), granules_over_nucleus=(0.1, 0.7),
        granule=((95, 45, 138), (135, 85, 155)),
    ),
    "lymphocyte": CellType(
        radius=(0.4, 0.55), elongation=(1.0, 1.25), outline=(0.01, 0.06), fringe=(0.0, 0.025),
        cytoplasm=((120, 95, 160), (190, 160, 185)), vacuoles=(0.0, 0.02),
        lobes=(1, 2), lobe_radius=(0.8, 1.0), arc_radius=(0.05, 0.2), arc_span=(90, 180),
        isthmus=(0.9, 1.0), eccentricity=(0.0, 0.2), nucleus_outline=(0.005, 0.04),
        nucleus=((68, 28, 122), (98, 50, 140)), chromatin=(0.05, 0.25),
        granules=(0.0, 0.05), granule_size=(0.0, 0.5), granules_over_nucleus=(0.0, 0.2),
        granule=((110, 60, 150), (140, 95, 165)),
    ),
    "monocyte": CellType(
        radius=(0.66, 0.9), elongation=(1.0, 1.35), outline=(0.02, 0.09), fringe=(0.0, 0.015),
        cytoplasm=((145, 112, 170), (192, 160, 186)), vacuoles=(0.0, 0.1),
        lobes=(2, 4), lobe_radius=(0.32, 0.48), arc_radius=(0.3, 0.48), arc_span=(120, 260),
        isthmus=(0.8, 1.0), eccentricity=(0.0, 0.25), nucleus_outline=(0.02, 0.06),
        nucleus=((82, 34, 134), (112, 64, 150)), chromatin=(0.1, 0.3),
        granules=(0.0, 0.15), granule_size=(0.0, 0.3), granules_over_nucleus=(0.0, 0.2),
        granule=((125, 80, 160), (155, 115, 170)),
    ),
    "neutrophil": CellType(
        radius=(0.55, 0.74), elongation=(1.0, 1.3), outline=(0.01, 0.06), fringe=(0.0, 0.015),
        cytoplasm=((205, 165, 180), (226, 190, 188)), vacuoles=(0.0, 0.02),
        lobes=(3, 5), lobe_radius=(0.25, 0.36), arc_radius=(0.36, 0.52), arc_span=(140, 300),
        isthmus=(0.3, 1.0), eccentricity=(0.0, 0.25), nucleus_outline=(0.005, 0.03),
        nucleus=((66, 25, 125), (95, 48, 140)), chromatin=(0.1, 0.3),
        granules=(0.03, 0.25), granule_size=(0.0, 0.3), granules_over_nucleus=(0.0, 0.2),
        granule=((150, 95, 160), (190, 135, 168)),
    ),
    "platelet": CellType(
        radius=(0.17, 0.34), elongation=(1.0, 1.3), outline=(0.01, 0.04), fringe=(0.005, 0.03),
        cytoplasm=((140, 100, 166), (190, 150, 182)), vacuoles=(0.0, 0.02),
        lobes=(0, 0), lobe_radius=(0.5, 0.5), arc_radius=(0.1, 0.1), arc_span=(90, 90),
        isthmus=(1.0, 1.0), eccentricity=(0.0, 0.0), nucleus_outline=(0.0, 0.0),
        nucleus=((80, 35, 130), (100, 55, 142)), chromatin=(0.2, 0.4),
        granules=(0.45, 0.8), granule_size=(0.0, 0.6), granules_over_nucleus=(0.0, 0.0),
        granule=((85, 32, 132), (130, 75, 152)),
    ),
}  # fmt: skip
