"""Services: read whole with all faults, what takes what along, and a table that goes round without loss."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keersluis.chain import Chain, copy_template, load_chain
from keersluis.errors import Incorrect
from keersluis.recovery.servicefiles import load_services, services_of
from keersluis.recovery.servicerows import read_rows, written
from keersluis.recovery.services import (
    PHASES,
    SORTS,
    WAYS,
    Down,
    Emergency,
    Procedure,
    ReadOnly,
    Service,
    State,
    Up,
    kept_at,
    taken_along,
    usability,
)
from keersluis.recovery.servicetext import block, differences, rewritten

CHAIN = load_chain("nl-justice")


def service(key: str, *needs: str, organisation: str = "om", procedures: tuple[Procedure, ...] = ()) -> Service:
    both = {"nl": key, "en": key}
    return Service(key, organisation, both, "application", both, "trial", organisation, needs, procedures)


def inventory(*services: Service) -> dict[str, Service]:
    return {each.key: each for each in services}


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return load_chain(copy_template("nl-justice", tmp_path / "chain"))


def broken(chain: Chain, text: str) -> list[str]:
    (chain.folder / "services.toml").write_text(text, encoding="utf-8")
    with pytest.raises(Incorrect) as caught:
        load_services(chain)
    assert caught.value.code == "services.broken"
    return caught.value.faults


# -- the shipped inventory


def test_the_shipped_inventory_covers_every_phase_sort_and_organisation_that_decides_or_delivers() -> None:
    found = load_services(CHAIN)
    assert len(found) >= 25
    assert {each.phase for each in found.values()} == set(PHASES)
    assert {each.sort for each in found.values()} == set(SORTS)
    assert {each.key for each in CHAIN.nodes} <= {each.organisation for each in found.values()}
    assert all(each.keeper in {node.key for node in CHAIN.nodes} for each in found.values())
    assert {"om-remote-access", "om-accounts", "jio-portal"} <= {key for key, each in found.items() if not each.public}


# -- faults are told whole


def test_unknown_names_and_loops_are_told_whole_and_all_at_once(chain: Chain) -> None:
    text = "".join(
        f'[{key}]\norganisation = "{owner}"\ntitle = {{ nl = "x", en = "x" }}\nsort = "{sort}"\nphase = "{phase}"\n'
        f'owner = {{ nl = "x", en = "x" }}\ndepends_on = {needs}\n\n'
        for key, owner, sort, phase, needs in [
            ("one", "om", "application", "trial", '["two"]'),
            ("two", "om", "application", "trial", '["three"]'),
            ("three", "om", "application", "trial", '["one", "nowhere"]'),
            ("four", "omm", "applicaton", "trail", '["four"]'),
            ("five", "jio", "mail", "trial", "[]"),
        ]
    )
    told = broken(chain, text)
    assert any("four.organisation" in each and "did you mean 'om'" in each for each in told)
    assert any("four.sort" in each and "did you mean 'application'" in each for each in told)
    assert any("four.phase" in each and "did you mean 'trial'" in each for each in told)
    assert any("three.depends_on" in each and "'nowhere'" in each for each in told)
    assert any("one -> two -> three -> one" in each for each in told)
    assert any("four -> four" in each for each in told)
    assert any("five.kept_by" in each for each in told), "an organisation without a node needs one that tells"
    assert len(told) == 7


def test_a_procedure_without_a_way_or_under_a_key_twice_is_a_fault(chain: Chain) -> None:
    head = '[one]\norganisation = "om"\ntitle = { nl = "x", en = "x" }\nsort = "mail"\nphase = "trial"\n'
    head += 'owner = { nl = "x", en = "x" }\n'
    post = '[[one.procedures]]\nkey = "post"\ntitle = { nl = "x", en = "x" }\n'
    told = broken(chain, head + post + post + 'through = "nobody"\n')
    assert len(told) == 3
    assert any("a way to deliver" in each for each in told)
    assert any("'post' twice" in each for each in told)
    assert any("through" in each for each in told)


def test_an_edit_that_breaks_the_file_leaves_the_inventory_that_was_read(chain: Chain) -> None:
    before = services_of(chain)
    path = chain.folder / "services.toml"
    path.write_text("[broken", encoding="utf-8")
    assert services_of(chain) == before
    with pytest.raises(Incorrect):
        load_services(chain)
    path.write_text(block(service("one")), encoding="utf-8")
    assert list(services_of(chain)) == ["one"]


# -- what takes what along


def test_what_rests_on_what_is_down_cannot_be_used_and_the_cause_is_named() -> None:
    town = inventory(service("net"), service("files", "net"), service("court", "files"), service("phone"))
    states: dict[str, State] = {"net": Down(), "files": Up(), "court": Up(), "phone": Up()}
    told = usability(town, states)
    assert [(each.usable, each.due_to) for each in told.values()] == [
        ("no", ()),
        ("no", ("net",)),
        ("no", ("net",)),
        ("yes", ()),
    ]
    assert taken_along(town, told) == {"net": ("files", "court")}


def test_an_emergency_procedure_stands_on_its_own_and_hides_what_is_below() -> None:
    town = inventory(service("net"), service("link", "net"), service("court", "link"))
    states: dict[str, State] = {"net": Down(), "link": Emergency("post"), "court": Up()}
    told = usability(town, states)
    assert (told["link"].usable, told["link"].due_to) == ("procedure", ())
    assert (told["court"].usable, told["court"].due_to) == ("partly", ("link",))


def test_where_nobody_said_how_a_service_is_that_is_said_and_not_taken_for_up() -> None:
    town = inventory(service("far", organisation="justid"), service("near", "far"))
    told = usability(town, {"near": Up()})
    assert (told["near"].usable, told["near"].unsure) == ("yes", ("far",))
    assert told["far"].unsure == ("far",)


STATES = st.sampled_from([Up(), ReadOnly(), Emergency("post"), Down()])


@st.composite
def towns(draw: st.DrawFn) -> tuple[dict[str, Service], dict[str, State]]:
    keys = [f"s{n}" for n in range(draw(st.integers(1, 7)))]
    made = []
    for n, key in enumerate(keys):
        made.append(service(key, *draw(st.lists(st.sampled_from(keys[:n]), unique=True)) if n else ()))
    return inventory(*draw(st.permutations(made))), {key: draw(STATES) for key in keys}


@given(towns())
def test_usability_is_what_following_each_dependency_by_hand_gives(
    town: tuple[dict[str, Service], dict[str, State]],
) -> None:
    """The slow way: walk down from each service until something is met that stands for what is below it."""
    services, states = town

    def met(key: str) -> set[str]:
        found: set[str] = set()
        for need in services[key].depends_on:
            if not isinstance(states[need], Up):
                found.add(need)
            if isinstance(states[need], Up | ReadOnly):
                found |= met(need)
        return found

    told = usability(services, states)
    for key, state in states.items():
        causes = set() if isinstance(state, Emergency | Down) else met(key)
        assert set(told[key].due_to) == causes
        hard = isinstance(state, Down) or any(isinstance(states[each], Down) for each in causes)
        soft = isinstance(state, ReadOnly) or bool(causes)
        assert told[key].usable == (
            "procedure" if isinstance(state, Emergency) else "no" if hard else "partly" if soft else "yes"
        )


# -- the table


TEXT = (
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], include_characters='",;\n'), min_size=1)
    .map(str.strip)
    .filter(bool)
)
BOTH = st.fixed_dictionaries({"nl": TEXT, "en": TEXT})
NODES = [each.key for each in CHAIN.nodes]


@st.composite
def inventories(draw: st.DrawFn) -> dict[str, Service]:
    keys = draw(st.lists(st.sampled_from([f"s-{n}" for n in range(9)]), min_size=1, max_size=4, unique=True))
    found = {}
    for n, key in enumerate(keys):
        organisation = draw(st.sampled_from(list(CHAIN.organisations)))
        names = draw(st.lists(st.sampled_from(["post", "hand", "via"]), max_size=2, unique=True))
        procedures = []
        for name in names:
            ways = draw(st.dictionaries(st.sampled_from(WAYS), BOTH))
            through = draw(st.sampled_from(list(CHAIN.organisations))) if not ways or draw(st.booleans()) else None
            procedures.append(Procedure(name, draw(BOTH), {way: ways[way] for way in WAYS if way in ways}, through))
        keeper = organisation if organisation in NODES else draw(st.sampled_from(NODES))
        needs = draw(st.lists(st.sampled_from(keys[:n]), unique=True)) if n else []
        found[key] = Service(
            key, organisation, draw(BOTH), draw(st.sampled_from(SORTS)), draw(BOTH), draw(st.sampled_from(PHASES)),
            keeper, tuple(needs), tuple(procedures), draw(st.booleans()),
        )  # fmt: skip
    return found


@given(inventories())
def test_the_table_goes_round_without_loss(services: dict[str, Service]) -> None:
    assert read_rows(written(services), "x.csv", CHAIN, {}) == services


@given(inventories(), inventories())
def test_the_file_that_is_rewritten_says_the_new_and_keeps_what_stays_to_the_letter(
    was: dict[str, Service], becomes: dict[str, Service]
) -> None:
    text = "# Head.\n\n" + "\n".join(f"# Note on {key}.\n{block(each)}" for key, each in was.items())
    made = rewritten(text, was, becomes)
    assert tomllib.loads(made) == {key: tomllib.loads(block(each))[key] for key, each in becomes.items()}
    assert rewritten(made, becomes, becomes) == made
    for key, each in becomes.items():
        if was.get(key) == each:
            assert f"# Note on {key}.\n{block(each)}" in made
    assert [each["service"] for each in differences(was, becomes)] == [
        key for key in dict.fromkeys([*was, *becomes]) if was.get(key) != becomes.get(key)
    ]


def test_a_table_in_dutch_with_semicolons_is_read() -> None:
    table = (
        "Sleutel;Organisatie;Naam;Soort;Fase;Eigenaar;Hangt af van;Openbaar;Noodprocedure;Noodprocedure NL;"
        "Noodprocedure EN;Per post\n"
        "om-mail;om;E-mail;mail;overstijgend;hoofd ICT;om-net;ja;post;Per post;By post;Stuur een brief\n"
        "om-net;om;Verbinding;koppeling;overstijgend;hoofd ICT;;nee;;;;\n"
    )
    found = read_rows(table, "x.csv", CHAIN, {})
    mail = found["om-mail"]
    assert (mail.sort, mail.phase, mail.depends_on, mail.public) == ("mail", "cross-cutting", ("om-net",), True)
    assert mail.title == {"nl": "E-mail", "en": "E-mail"}
    assert mail.procedures[0].ways == {"post": {"nl": "Stuur een brief", "en": "Stuur een brief"}}
    assert not found["om-net"].public


def test_every_fault_of_a_table_has_its_line() -> None:
    table = (
        "key,organisation,title,sort,phase,owner,depends_on,public,colour\n"
        "a,om,A,application,trial,x,b,perhaps,red\n"
        "b,om,B,fax,trial,x,a,no,\n"
        '"c\n",nobody,C,mail,trial,x,missing,,\n'
        ",om,D,mail,trial,x,,,\n"
        "b,om,B,mail,trial,x,,,\n"
        "e,om,E,mail,trial,x,,\n"
    )
    with pytest.raises(Incorrect) as caught:
        read_rows(table, "x.csv", CHAIN, {})
    told = caught.value.faults
    for line, word in [(1, "'colour'"), (2, "perhaps"), (3, "'fax'"), (4, "'nobody'"), (4, "'missing'"), (6, "a key")]:
        assert any(f"line {line}" in each and word in each for each in told), (line, word, told)
    assert any("line 7" in each and "stands on line 3" in each for each in told)
    assert any("line 8" in each and "9 cells" in each for each in told)
    assert any("a -> b -> a" in each for each in told)
    assert len(told) == 9


def test_what_the_table_has_no_column_for_stays_as_it_was() -> None:
    post = Procedure("post", {"nl": "p", "en": "p"}, {"post": {"nl": "p", "en": "p"}})
    there = tomllib.loads(block(service("one", procedures=(post,))))
    found = read_rows("key,owner\none,somebody else\n", "x.csv", CHAIN, there)
    assert found["one"].procedures == (post,)
    assert found["one"].owner == {"nl": "somebody else", "en": "somebody else"}
    assert found["one"].phase == "trial"


def test_who_keeps_what_adds_up_to_the_whole() -> None:
    found = load_services(CHAIN)
    parts = [kept_at(found, node.key) for node in CHAIN.nodes]
    assert sorted(key for part in parts for key in part) == sorted(found)
