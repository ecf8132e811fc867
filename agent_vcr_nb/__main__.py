"""``python -m agent_vcr_nb`` is ``vcr``."""

from agent_vcr_nb.cli import main

if __name__ == "__main__":
    main()
