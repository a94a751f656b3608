"""Measurements against peers in the same run: `keersluis bench ROOM`. Ratios travel, absolutes do not."""
