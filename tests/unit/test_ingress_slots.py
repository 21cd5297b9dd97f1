"""Bringing a running HAProxy's servers to what is wanted: a small HAProxy in Python carries out the commands."""

from hypothesis import given, settings
from hypothesis import strategies as st

from node_agent.network.ingress.model import Address
from node_agent.network.ingress.render import places
from node_agent.network.ingress.slots import Place, changes, parse

BACKEND = "shop:web:http"
ADDRESSES = [Address(f"10.0.0.{number}", 8080) for number in range(1, 9)]
FREE, READY, DRAINED = 0x05, 0x04, 0x0C


def fresh(count: int) -> list[Place]:
    return [Place(f"s{number}", Address("0.0.0.0", 1), FREE) for number in range(count)]


def carried_out(found: list[Place], commands: list[str], now: int, *, always: bool) -> list[Place]:
    """`always`: somebody serves at every moment."""
    after = {place.name: place for place in found}
    for command in commands:
        words = command.split()
        assert words[:2] == ["set", "server"]
        backend, name = words[2].split("/")
        assert backend == BACKEND
        place = after[name]
        if words[3] == "addr":
            assert not place.used, "a server that has requests is given to another"
            place = Place(name, Address(words[4], int(words[6])), place.state, place.since)
        else:
            place = Place(name, place.address, READY if words[4] == "ready" else DRAINED, now)
        after[name] = place
        if always:
            assert serving(list(after.values())), "there is a moment without a server"
    return list(after.values())


def serving(found: list[Place]) -> set[Address]:
    return {place.address for place in found if place.used}


@given(st.lists(st.sets(st.sampled_from(ADDRESSES), max_size=6), max_size=12))
@settings(max_examples=300, deadline=None)
def test_whatever_comes_and_goes_exactly_the_wanted_serve(rounds: list[set[Address]]) -> None:
    found = fresh(places(6))
    for now, wanted in enumerate(rounds):
        todo = changes({BACKEND: found}, {BACKEND: wanted})
        assert not todo.crowded
        found = carried_out(found, todo.commands, now, always=bool(serving(found) and wanted))
        assert serving(found) == wanted
        assert len([place for place in found if place.used]) == len(wanted)
        assert changes({BACKEND: found}, {BACKEND: wanted}).commands == []


def test_where_there_is_hardly_room_places_are_given_on() -> None:
    full = [Place(f"s{number}", ADDRESSES[number], READY) for number in range(2)]
    todo = changes({BACKEND: full}, {BACKEND: ADDRESSES[1:3]})
    assert todo.commands == [
        f"set server {BACKEND}/s0 state drain",
        f"set server {BACKEND}/s0 addr 10.0.0.3 port 8080",
        f"set server {BACKEND}/s0 state ready",
    ]
    assert not todo.crowded


def test_without_room_it_is_said() -> None:
    todo = changes({BACKEND: fresh(2)}, {BACKEND: ADDRESSES[:3], "shop:new:": ADDRESSES[:1]})
    assert todo.crowded == [BACKEND, "shop:new:"]


def test_room_for_as_many_again_and_never_less_than_before() -> None:
    assert [places(pods) for pods in (0, 1, 2, 3, 4, 5, 50)] == [4, 4, 4, 8, 8, 16, 128]
    assert (places(1, 16), places(10, 16), places(12, 16), places(17, 16)) == (16, 16, 32, 64)


def test_what_haproxy_answers_is_read() -> None:
    answer = (
        "1\n# be_id be_name srv_id …\n"
        "5 shop:web:http 1 s0 10.0.0.1 2 4 1 1 7 1 0 0 8 0 0 0 - 8080 - 0 0 - - 0\n"
        "5 shop:web:http 2 s1 0.0.0.0 0 5 1 1 9 1 0 0 8 0 0 0 - 1 - 0 0 - - 0\n"
        "6 shop:web:http:aside 1 s0 10.96.0.7 2 0 1 1 9 1 0 0 8 0 0 0 - 80 - 0 0 - - 0\n"
    )
    free = Place("s1", Address("0.0.0.0", 1), FREE, 9)
    assert parse(answer) == {BACKEND: [Place("s0", ADDRESSES[0], READY, 7), free]}
