"""nnwidgets in real JupyterLab, in Chromium."""
