"""Code guardian for the files that an agent writes; usable without agent_vcr_nb."""
