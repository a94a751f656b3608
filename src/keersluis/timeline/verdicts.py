"""One sentence for people, in Dutch or English, for each kind of finding and for a whole report. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from keersluis.timeline.model import Finding, Report
from keersluis.words import Translator, translator


def finding_sentence(finding: Finding, language: str) -> str:
    """What is wrong, and where."""
    _ = translator(language)
    what = _what(_)[finding.code.removeprefix("timeline.")].format(**finding.facts)
    return _("{place}: {what}", place=_place(finding, _), what=what)


def report_sentence(report: Report, language: str) -> str:
    """The outcome: what was checked, and whether it is as it was signed."""
    _ = translator(language)
    checked = _("{entries} entries and {heads} signed heads checked", entries=report.entries, heads=report.heads)
    count = len(report.findings) + sum(log.more for log in report.logs)
    if not count:
        return _("{checked}: nothing was altered, left out or put in another order.", checked=checked)
    return _.plural(
        "{checked}: {count} thing is wrong.", "{checked}: {count} things are wrong.", count, checked=checked
    )


def codes() -> frozenset[str]:
    """Every code that a finding can have."""
    _ = translator("en")
    return frozenset(f"timeline.{code}" for code in _what(_))


def _place(finding: Finding, _: Translator) -> str:
    first, last = str(finding.first), str(finding.last)
    one = first == last
    if finding.what == "entry":
        return _("entry {n}", n=first) if one else _("entries {first} to {last}", first=first, last=last)
    if finding.what == "head":
        return _("head {n}", n=first) if one else _("heads {first} to {last}", first=first, last=last)
    if finding.what == "line":
        return _("line {n}", n=first) if one else _("lines {first} to {last}", first=first, last=last)
    if finding.what == "witnessed":
        if one:
            return _("witnessed head {n}", n=first)
        return _("witnessed heads {first} to {last}", first=first, last=last)
    return _("the log")


def _what(_: Translator) -> Mapping[str, str]:
    return _of_entries(_) | _of_heads(_) | _of_others(_) | _of_files(_) | _of_restores(_)


def _of_entries(_: Translator) -> dict[str, str]:
    return {
        "entry-altered": _("the content was altered after it was signed."),
        "leaf-altered": _("the hash kept beside it was altered; the content is as it was signed."),
        "entries-replaced": _("something here was altered, together with the hashes that would have shown it."),
        "entries-unproven": _("nothing signed vouches for this any more, because of what was altered before it."),
        "entry-removed": _("it was removed."),
        "entry-unreadable": _("it was made unreadable."),
        "entry-inserted": _("another entry was put in under this number."),
        "entry-moved": _("it does not stand where its number says."),
        "columns-altered": _("the columns beside the entry say otherwise than the entry."),
        "entries-unsigned": _("no signed head covers it: it was added, or the head was removed."),
        "clock-backwards": _("the clock ran backwards."),
    }


def _of_heads(_: Translator) -> dict[str, str]:
    return {
        "head-forged": _("the signature is not by a key of this organisation that counted then ({why})."),
        "head-foreign": _("this is a head of another organisation, {of}."),
        "head-moved": _("the head does not stand where its size says."),
        "head-removed": _("the signed head was removed."),
        "head-inserted": _("the entries that follow know nothing of this head."),
        "heads-diverge": _("it does not continue the head before it: the holder of the key signed something else."),
        "edge-altered": _("the edge of the tree kept beside it was altered."),
        "head-misdated": _("it does not bear the time of its last entry."),
    }


def _of_others(_: Translator) -> dict[str, str]:
    return {
        "fork": _("{by} kept a signed head with other entries; the log was written anew after entry {since}."),
        "two-heads": _("signed heads that {by} kept cannot both be of one log."),
        "tail-cut": _("cut off: {by} kept a signed head that covers it."),
        "log-emptied": _("it is empty, while others kept signed heads of {of}."),
        "witnessed-forged": _("the head of {of} that was kept here is not signed by that organisation."),
        "witnessed-replaced": _("the newest head of {of} was replaced by an older one."),
        "witnessed-removed": _("the newest head of {of} was removed."),
        "witnessed-moved": _("it does not stand in its place."),
    }


def _of_restores(_: Translator) -> dict[str, str]:
    return {
        "restored": _(
            "{by} kept this signed head; the log says that it was lost, by a backup put back, after entry {since}."
        ),
        "restore-unsigned": _("it says that it was restored from a backup, but no signed head begins its next epoch."),
    }


def _of_files(_: Translator) -> dict[str, str]:
    return {
        "unreadable": _("this is not as it was written."),
        "opening-missing": _("the first line, with the counts, is missing."),
        "opening-elsewhere": _("there is a second first line."),
        "entries-miscounted": _("the first line says {said} entries, there are {there}."),
        "heads-miscounted": _("the first line says {said} heads, there are {there}."),
        "witnessed-miscounted": _("the first line says {said} witnessed heads, there are {there}."),
    }
