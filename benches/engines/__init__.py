"""One module per engine; each offers the same few functions (see base.py)."""
