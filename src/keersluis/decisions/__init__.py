"""Decisions: dated policies, and outcomes that know whether they may still change."""

from keersluis.decisions.model import Decision
from keersluis.decisions.policies import Policies, Policy, PolicyVersion
from keersluis.decisions.settle import Held, Provisional, Revisit, Settled, State

__all__ = ["Decision", "Held", "Policies", "Policy", "PolicyVersion", "Provisional", "Revisit", "Settled", "State"]
