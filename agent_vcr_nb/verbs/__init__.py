"""What a user can ask for, once: plain functions that return result objects."""
