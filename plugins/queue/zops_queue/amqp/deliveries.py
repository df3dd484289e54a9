"""A connection of pika's that is quick with what comes most: whole, ordinary deliveries.

A delivery is three frames: the method, the properties, the body. pika makes several objects of
each and takes them through as many layers, which is most of what consuming costs. Here a delivery
whose frames have all come is read where it stands and handed to its consumer; whatever is anything
else goes to pika, frame by frame, as if nobody had looked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import Struct, error
from typing import Any

import pika
from pika.exceptions import AMQPConnectionError

Take = Callable[[int, bool, "Mapping[str, object] | None", bytes], None]
"""Takes a delivery: its tag, whether it was delivered before, its headers, its body."""

METHOD, HEADER, BODY, END = 1, 2, 3, 0xCE
PROTOCOL = 8  # bytes, of what a server says that speaks another version
DELIVER = b"\x00\x3c\x00\x3c"  # class basic, method deliver
PERSISTENT_ONLY = 0x1000  # the one property of the server's own messages: its delivery mode

ACKNOWLEDGE, ACKNOWLEDGE_BYTES = (60, 80), 13  # class basic, method ack

_acknowledgement = Struct(">BHIHHQ?B")
_frame = Struct(">BHI")  # kind, channel, bytes of the payload
_delivered = Struct(">QB")  # tag, whether it was delivered before
_content = Struct(">BHIHHQH")  # a frame, then: class, weight, bytes of the body, which properties
FRAME = _frame.size
PROPERTIES = _content.size - 2  # where they begin: with a word that says which there are


class Connection(pika.SelectConnection):  # type: ignore[misc]  # pika says no types
    """pika's connection; `hand_over` says who takes the deliveries of a consumer.

    Acknowledgements are collected, and sent with one call of the system: before anything else is
    sent, and when somebody says `send_acknowledgements`.
    """

    _frame_buffer: bytes
    bytes_received: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._takers: dict[tuple[int, bytes], Take] = {}
        self._acknowledgements = bytearray()
        super().__init__(*args, **kwargs)

    def hand_over(self, channel: int, consumer_tag: str, take: Take) -> None:
        """From now on give `take` the deliveries for a consumer, those that are ordinary."""
        self._takers[channel, consumer_tag.encode()] = take

    def acknowledge(self, channel: int, tag: int, *, multiple: bool) -> None:
        """Say of a delivery, or of all up to it, that it is done. The channel must be open."""
        self._acknowledgements += _acknowledgement.pack(
            METHOD, channel, ACKNOWLEDGE_BYTES, *ACKNOWLEDGE, tag, multiple, END
        )

    def abandon(self) -> None:
        """Break it off, without a word to the other side."""
        self._terminate_stream(AMQPConnectionError("given up"))

    def send_acknowledgements(self) -> None:
        """Send what has been collected."""
        if self._acknowledgements:
            self._output_marshaled_frames([])

    def _output_marshaled_frames(self, marshaled_frames: Sequence[bytes]) -> None:
        collected = [bytes(self._acknowledgements)] if self._acknowledgements else []
        self._acknowledgements.clear()
        super()._output_marshaled_frames([*collected, *marshaled_frames])

    def _on_data_available(self, data_in: bytes) -> None:
        data = self._frame_buffer + data_in if self._frame_buffer else data_in
        self._frame_buffer = b""
        start, size = 0, len(data)
        while start < size:
            end = self._deliver(data, start)
            if end is None:
                end = self._leave_to_pika(data, start)
            else:
                self.bytes_received += end - start  # a sign of life, as good as a heartbeat
            if end == start:  # not all of it has come
                break
            start = end
        self._frame_buffer = data[start:]

    def _deliver(self, data: bytes, start: int) -> int | None:
        """Hand over the delivery that begins at `start`.

        Returns where it ends; `start` when not all of it has come; None when it is something else.
        """
        try:
            kind, channel, size = _frame.unpack_from(data, start)
            if kind != METHOD or data[start + FRAME : start + FRAME + 4] != DELIVER:
                return None
            consumer = start + FRAME + 5
            after = consumer + data[consumer - 1]
            take = self._takers.get((channel, data[consumer:after]))
            if take is None:
                return None
            tag, redelivered = _delivered.unpack_from(data, after)
            content = start + FRAME + size + 1
            kind, _, size, _, _, length, present = _content.unpack_from(data, content)
            first = content + FRAME + size + 1  # where the body's frame begins
            end: int = first
            if length:
                body_kind, _, body_size = _frame.unpack_from(data, first)
                if (body_kind, body_size) != (BODY, length):
                    return None
                end += FRAME + length + 1
            if kind != HEADER or not data[content - 1] == data[first - 1] == data[end - 1] == END:
                return None
        except (error, IndexError):
            return start
        headers = None
        if present != PERSISTENT_ONLY:
            headers = _headers(data[content + PROPERTIES : first - 1])
        take(tag, bool(redelivered), headers, data[first + FRAME : end - 1])
        return end

    def _leave_to_pika(self, data: bytes, start: int) -> int:
        """Have pika do the frame that begins at `start`. Returns as `_deliver` does."""
        if data.startswith(b"AMQP", start):
            end = start + PROTOCOL
        elif len(data) - start < FRAME:
            return start
        else:
            end = start + FRAME + _frame.unpack_from(data, start)[2] + 1
        if end > len(data):
            return start
        super()._on_data_available(data[start:end])
        return end


def _headers(properties: bytes) -> Mapping[str, object] | None:
    found = pika.BasicProperties()
    found.decode(properties)
    headers: Mapping[str, object] | None = found.headers
    return headers
