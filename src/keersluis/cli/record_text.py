"""Decision records as plain text, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keersluis.chain import Chain
from keersluis.times import parse_instant, parse_when
from keersluis.words import Translator, translator

Told = Mapping[str, Any]


def listed(found: Told, language: str) -> str:
    """A line for each record."""
    _ = translator(language)
    lines = [
        f"{each['name']:24} {each['opened'][:10]}  {_state(_, each)}\n{'':24} {_.pick(each['title'])}"
        for each in found["records"]
    ]
    lines += [_left_out(_, found["left_out"])] if found["left_out"] else []
    return "\n".join(lines) or _("No decision record is there.")


def _state(_: Translator, each: Told) -> str:
    said = {
        "open": _("not decided"),
        "decided": _("decided: {option}", option=each["chosen"]),
        "withheld": _("the decision is not public"),
    }[each["state"]]
    return said + (", " + _("to be looked at again on {day}: overdue", day=each["due"]) if each["overdue"] else "")


def _left_out(_: Translator, count: int) -> str:
    return _.plural(
        "{count} thing is left out, as it is not public.",
        "{count} things are left out, as they are not public.",
        count,
    )


def shown(found: Told, chain: Chain, language: str) -> str:
    """The whole record."""
    return "\n".join(_Page(translator(language), chain).lines(found))


class _Page:
    def __init__(self, _: Translator, chain: Chain) -> None:
        self._, self.chain = _, chain

    def lines(self, found: Told) -> Iterator[str]:
        _ = self._
        yield f"{self.name(found['organisation'])}: {_.pick(found['title'])}"
        yield _.pick(found["question"])
        yield _("As known on {moment}", moment=_.moment(parse_instant(found["known_on"]), self.chain.timezone))
        if found["recorded_on"]:
            moment = _.moment(parse_instant(found["recorded_on"]), self.chain.timezone)
            yield _("As written down by {moment}", moment=moment)
        yield from self.part(_("Decisions"), found["decisions"], self.decision)
        if not found["decisions"]:
            yield _("It was not decided.") if found["state"] == "open" else _("What was decided is not public.")
        for option in found["options"]:
            yield from self.option(option)
        yield from self.part(_("Known"), found["known"], self.item)
        yield from self.part(_("Unknown"), found["unknown"], self.item)
        yield from self.part(_("Was unknown, is answered"), found["answered"], self.item)
        yield from self.part(_("Corrected since"), found["corrected"], self.item)
        if found["left_out"]:
            yield _left_out(_, found["left_out"])

    def part(self, title: str, items: Sequence[Told], line: Any) -> Iterator[str]:
        if items:
            yield ""
            yield title
            for item in items:
                yield from line(item)

    def option(self, option: Told) -> Iterator[str]:
        _ = self._
        yield ""
        chosen = " (" + _("chosen") + ")" if option["chosen"] else ""
        yield _("Option: {text}", text=_.pick(option["text"])) + chosen
        for each in option["arguments"]:
            yield from self.item(each, _("for") if each["weighs"] == "for" else _("against"))
        for each in option["consequences"]:
            yield from self.item(each, self.name(each["organisation"]))
        for each in option["advice"]:
            yield from self.item(each, _("advice of {who}", who=_.pick(each["by"])))

    def decision(self, each: Told) -> Iterator[str]:
        _ = self._
        yield from self.item(each, _.pick(each["by"]))
        if each["due"]:
            yield "    " + (
                _("to be looked at again on {day}: overdue", day=each["due"])
                if each["overdue"]
                else _("to be looked at again on {day}", day=each["due"])
            )
        for review in each["reviews"]:
            yield from self.item(review, _("review by {who}", who=_.pick(review["by"])))

    def item(self, each: Told, before: str = "") -> Iterator[str]:
        _ = self._
        marks = [_("inferred")] if each["inferred"] else []
        marks += [] if each["public"] else [_("not public")]
        marks += [_("written down {day}", day=self.day(each["recorded"]))] if each.get("recorded_later") else []
        marks += [_.pick(each["source"])] if each.get("source") else []
        said = f"{before}: {_.pick(each['text'])}" if before else _.pick(each["text"])
        yield f"  {self.day(each['since'])}  {said}" + (f" [{'; '.join(marks)}]" if marks else "")

    def day(self, text: str) -> str:
        return self._.day(parse_when(text, self.chain.timezone).start, self.chain.timezone)

    def name(self, key: str) -> str:
        known = self.chain.organisations.get(key)
        return self._.pick(known.name) if known else key
