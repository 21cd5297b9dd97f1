"""The queue between a command's threads and its stream: data waits for the network, nothing else does."""

import threading

from cli.outgoing import WAITING, Outgoing


def test_everything_is_sent_in_order_to_the_end() -> None:
    outgoing = Outgoing()
    outgoing.put("open")
    outgoing.put_data("bytes")
    outgoing.put("close")
    outgoing.end()
    outgoing.put("too late")
    assert list(outgoing) == ["open", "bytes", "close"]


def test_only_data_waits_for_room() -> None:
    outgoing = Outgoing()
    for number in range(WAITING):
        outgoing.put_data(number)
    outgoing.put("resize")
    outgoing.end()
    assert list(outgoing) == [*range(WAITING), "resize"]


def test_whoever_reads_faster_than_the_network_stops_reading() -> None:
    outgoing, read = Outgoing(), 0
    many = 20 * WAITING

    def reader() -> None:
        nonlocal read
        for number in range(many):
            outgoing.put_data(number)
            read = number + 1
        outgoing.end()

    thread = threading.Thread(target=reader)
    thread.start()
    for sent, number in enumerate(outgoing):
        assert number == sent
        assert read - sent <= WAITING, "more waits than may"
    thread.join()
    assert read == many
