"""Recovery: what to reopen first, how large the backlogs are, and when they will be gone."""
