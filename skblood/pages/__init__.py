"""Self-contained HTML pages: templates, thumbnails and figures, without scripts from elsewhere."""

from skblood.pages._page import figure_image, render, thumbnail, write

__all__ = ["figure_image", "render", "thumbnail", "write"]
