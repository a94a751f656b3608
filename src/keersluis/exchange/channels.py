"""Where an act can wait for its entry. Pure."""

CHANNELS = ("paper", "mailbox", "system-down")
"""On paper, unread in a mailbox, in a system that is down or in one that failed to hand it on."""
