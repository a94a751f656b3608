"""Register: facts on two time axes, answers that carry their completeness and are owed their end, look-ups logged."""

from keersluis.register.answers import Alternative, Answer, Mark, Question, StatedFact
from keersluis.register.facts import Fact
from keersluis.register.lookups import Lookup
from keersluis.register.proofs import Proof

__all__ = ["Alternative", "Answer", "Fact", "Lookup", "Mark", "Proof", "Question", "StatedFact"]
