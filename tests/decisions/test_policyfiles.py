"""Policy files: every fault of every file at once, with its place; what could never be settled soundly is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from keersluis.chain import Chain, load_chain
from keersluis.decisions.policyfiles import load_policies, policies_for
from keersluis.errors import Incorrect

CHAIN = load_chain("nl-justice")
GOOD = (CHAIN.folder / "policies" / "vog-standard.toml").read_text(encoding="utf-8")


def folder(tmp_path: Path, **files: str) -> Chain:
    """The chain with other policies; underscores in a name stand for hyphens."""
    policies = tmp_path / "policies"
    policies.mkdir()
    for name, text in files.items():
        (policies / f"{name.replace('_', '-')}.toml").write_text(text, encoding="utf-8")
    return replace(CHAIN, folder=tmp_path)


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(Incorrect) as caught:
        load_policies(folder(tmp_path, vog_standard=text))
    assert caught.value.code == "policies.broken"
    return [fault.removeprefix("policies/vog-standard.toml: ") for fault in caught.value.faults]


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_a_chain_without_policies_has_none(tmp_path: Path) -> None:
    assert load_policies(replace(CHAIN, folder=tmp_path)) == {}


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    unknown = GOOD.replace('id = "vog-standard"', 'id = "other"').replace('purpose = "vog"', 'purpose = "vogg"')
    chain = folder(tmp_path, vog_standard=changed("level = 1", "level = 7"), second=unknown, third="not toml [")
    with pytest.raises(Incorrect) as caught:
        load_policies(chain)
    told = "\n".join(caught.value.faults)
    assert "policies/second.toml: id: expected the name of the file, 'second', got 'other'" in told
    assert "policies/second.toml: purpose: expected one of" in told
    assert "(did you mean 'vog'?)" in told
    assert "policies/third.toml: expected TOML" in told
    assert "policies/vog-standard.toml: versions[1].rules[3].level: expected a level from 1 to 2, got 7" in told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"withdrawal", ', "", "every kind that may undo a fact, so also withdrawal, got it is missing"),
        ('needs = ["prosecution-decision", ', "needs = [", "also prosecution-decision.other, got it is missing"),
        ('"judgment", ', '"judgment", "police-data", ', "only kinds that purpose vog may see, got police-data.serious"),
        ('"judgment", ', '"judgement", "judgment", ', "got 'judgement' (did you mean 'judgment'?)"),
        ('"correction"]', '"correction", "answer-end.justis"]', "a kind of kinds.toml, got 'answer-end.justis'"),
        ('within = "4 years"', 'within = "4 jaar"', "always, or a time such as 4 years or 30 months, got '4 jaar'"),
        ('exists = ["judgment.serious"]', 'exists = ["disposal"]', "kinds that record facts, got disposal"),
        ('exists = ["judgment.serious"]', 'exist = ["judgment.serious"]', "exists (a fact is there) or plus"),
        ('exists = ["judgment.serious"]', "exists = []", "rules[2].exists: expected at least one kind, got none"),
        ('extended_by', 'extended_bye', "expected a known key"),
        ('on_provisional = "notify"', 'on_provisional = "hold"', "hold_from_level: expected a whole number"),
        ("weight = 1", "weight = 0", "weight: expected a whole number of at least 1, got 0"),
        ("weight = 1", "hold_from_level = 1", 'hold_from_level: expected on_provisional = "hold" beside it'),
        ('url = "https:', 'url = "http:', "versions[1].source.url: expected an address that begins with https://"),
        ("nl = \"De terug", "fr = \"De terug", "versions[1].text.nl: expected a text, got 'nothing'"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert any(told in fault for fault in faults(tmp_path, changed(old, new)))


def test_a_rule_that_would_not_be_monotone_is_refused(tmp_path: Path) -> None:
    rule = '\n[[versions.rules]]\nplus = [{ kinds = ["judgment"], field = "n" }]\n'
    rule += 'minus = [{ kinds = ["prosecution-decision.other"], field = "n" }]\nmore_than = -1\nlevel = 1\n'
    told = faults(tmp_path, GOOD + rule)
    assert any("kinds of effect takes-away or either, got prosecution-decision.other" in fault for fault in told)
    assert any("more_than: expected an amount of at least 0, got -1" in fault for fault in told)


def test_versions_must_follow_each_other(tmp_path: Path) -> None:
    head, _sep, rest = GOOD.partition("[[versions]]")
    twice = head + "[[versions]]" + rest + "\n[[versions]]" + rest
    assert any("a number and a start after those of version 1" in fault for fault in faults(tmp_path, twice))


def test_a_standing_policy_needs_the_same_in_all_versions(tmp_path: Path) -> None:
    """Its answers stay owed for what was asked at the first; a later version could wait for ever for another kind."""
    head, _sep, rest = GOOD.partition("[[versions]]")
    later = rest.replace("number = 1", "number = 2", 1).replace("start = 2018", "start = 2020", 1)
    later = later.replace(
        '"prosecution-decision", ', '"prosecution-decision.serious", "prosecution-decision.sexual", ', 1
    )
    later = later.replace(
        'exists = ["prosecution-decision.serious", "prosecution-decision.other"]', 'exists = ["judgment"]'
    )
    text = head.replace("weight = 1", "weight = 1\nstanding = true") + "[[versions]]" + rest + "\n[[versions]]" + later
    assert faults(tmp_path, text) == [
        "versions: expected the same needs in all versions of a standing policy, got different needs"
    ]


def test_a_change_of_rules_changes_the_digest_and_a_change_of_text_does_not(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        shutil.rmtree(tmp_path / "policies", ignore_errors=True)
        return load_policies(folder(tmp_path, vog_standard=text))["vog-standard"].versions[0].digest

    assert digest(changed("De terugkijktermijn is", "De termijn is")) == digest(GOOD)
    assert digest(changed('within = "4 years"', 'within = "3 years"')) != digest(GOOD)


def test_each_decider_has_its_own() -> None:
    policies = load_policies(CHAIN)
    assert list(policies_for(policies, "ind")) == ["immigration"]
    assert {each.decider for each in policies_for(policies, "justis").values()} == {"justis"}


def test_the_example_of_the_documentation_is_a_policy(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "open-debt.toml").write_text(example, encoding="utf-8")
    policy = load_policies(replace(load_chain("road-fines"), folder=tmp_path))["open-debt"]
    assert (policy.hold_from_level, len(policy.versions[0].rules)) == (1, 2)
