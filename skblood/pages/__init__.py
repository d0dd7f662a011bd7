"""Self-contained HTML pages: templates, thumbnails and figures, without scripts from elsewhere."""

from skblood.pages._page import TextInNotebooks, figure_image, render, thumbnail, write

__all__ = ["TextInNotebooks", "figure_image", "render", "thumbnail", "write"]
