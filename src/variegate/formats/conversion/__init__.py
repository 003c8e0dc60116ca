"""From one annotation format to another: what the new one can represent, and what gets lost."""
