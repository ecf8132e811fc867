"""The only place for IPython, ipywidgets, anywidget and plotly."""
