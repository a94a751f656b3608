"""Keersluis: a guard lock for a chain of organisations that live on each other's data."""
