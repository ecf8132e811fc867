"""File transactions on a private git object store."""
