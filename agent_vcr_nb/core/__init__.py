"""The recording and what can be done with it; knows no framework, no Jupyter and no terminal."""
