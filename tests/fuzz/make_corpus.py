#!/usr/bin/env python3
"""Writes the hand-made inputs of the targets whose input is binary, one file per idea.

    tests/fuzz/make_corpus.py        rewrites these files; other files in the folders stay
"""
import pathlib

HERE = pathlib.Path(__file__).resolve().parent / "corpus"


def varint(value, pad_to=0):
    out = bytearray()
    while value >= 0x80 or len(out) + 1 < pad_to:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def blob(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def grant(channel, offset, data):
    return blob(5, number(1, channel) + number(2, offset) + number(3, 7) + blob(4, data))


STATE = blob(3, number(1, 1) + number(2, 1) + number(5, 1) + number(7, 4 << 20))
WELCOME = blob(2, number(1, 1) + number(2, 99) + number(3, 262144) + number(4, 32768))
DRAIN = blob(4, blob(1, b"rebalance") + number(2, 30000))
SEQ = number(1, 1)
GRANTS = grant(1, 0, b"a" * 64) + grant(2, 1024, b"b" * 200)

EGD = {
    "empty": b"",
    "get_bits": b"\x00",
    "get_pid": b"\x04",
    "read_nonblocking": b"\x01\x40",
    "read_blocking_as_linux_does": b"\x02\x40",
    "read_nothing": b"\x01\x00\x02\x00",
    "read_255": b"\x01\xff\x02\xff",
    "qemu_64_KiB": b"\x02\xff" * 257 + b"\x02\x01",
    "openssl_client": b"\x01\xff\x01\x21",
    "postfix_client": b"\x00\x01\x20\x04",
    "write_nothing": b"\x03\x00\x00\x00\x00",
    "write_one": b"\x03\x00\x08\x01\x99",
    "write_255_of_unknown_bytes": b"\x03\x07\xf8\xff" + b"\xee" * 255 + b"\x04",
    "write_data_like_commands": b"\x03\x00\x10\x06\x02\x40\x03\xff\xff\xff\x00",
    "two_writes": b"\x03\x00\x01\x01\x05\x03\x00\x01\x01\x05\x00",
    "half_read": b"\x02",
    "half_write_header": b"\x03\x12\x34",
    "half_write_data": b"\x03\x12\x34\x09abc",
    "unknown_first": b"\x05",
    "unknown_after_commands": b"\x00\x02\x40\xff\x02\x40",
    "http_request": b"GET / HTTP/1.0\r\n\r\n",
    "tls_hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "every_command": b"\x00\x01\x05\x02\x05\x03\x00\x08\x01\x00\x04",
    "state_half_header": b"\x03\x40\x00\x00\x02\x00" + b"\x08\x01\x09\x00",
    "state_full_header": b"\x02\x40\x00\x00\x02\x00" + b"\x02\x11\x04",
    "state_skipping": b"\x00\x00\x00\x00\x00\x03" + b"\xee\xee\xee\x02\x40",
    "state_beyond_the_array": b"\x03\x00\x00\x00\xff\x00" + b"\x00\x00",
}

ATTACH_WIRE = {
    "empty": b"",
    "seq_only": SEQ,
    "welcome": SEQ + WELCOME,
    "welcome_with_heartbeats": SEQ + blob(2, number(1, 1) + number(3, 262144) + number(4, 32768) + number(5, 3000)),
    "heartbeat": number(1, 300),
    "states": number(1, 2) + STATE + STATE,
    "drain": number(1, 3) + DRAIN,
    "grants": number(1, 4) + GRANTS,
    "everything": SEQ + WELCOME + STATE + DRAIN + GRANTS,
    "grants_first": GRANTS + DRAIN + STATE + WELCOME + SEQ,
    "grants_between": grant(1, 0, b"x") + SEQ + grant(1, 1, b"y") + STATE,
    "welcome_twice": WELCOME + blob(2, number(3, 5)),
    "grant_empty": b"\x2a\x00",
    "grant_empty_data": b"\x2a\x02\x22\x00",
    "grant_data_twice": blob(5, blob(4, b"old") + number(2, 7) + blob(4, b"new") + number(1, 5)),
    "grant_data_before_numbers": blob(5, blob(4, b"data") + number(1, 1)),
    "grant_unknown_fields": blob(5, number(9, 1) + blob(10, b"??") + blob(4, b"z")),
    "unknown_fields": number(6, 150) + b"\x39" + b"8" * 8 + blob(8, b"abc") + b"\x4d" + b"4444",
    "wrong_wire_types": b"\x0a\x01x" + number(5, 3) + number(2, 4) + SEQ,
    "padded_varints": b"\x88\x80\x80\x80\x00" + varint(1, 10) + b"\x2a" + varint(5, 5) + b"\x22\x03xyz",
    "channel_over_32_bits": blob(5, number(1, (1 << 40) + 3)),
    "seq_over_64_bits": b"\x08" + b"\xff" * 9 + b"\x7f",
    "huge_length": b"\x2a\xff\xff\xff\xff\x07",
    "length_beyond_grant": b"\x2a\x03\x22\x09x",
    "length_beyond_grant_in_message": b"\x2a\x03\x22\x09x" + b"\x08\x01" * 8,
    "overlong_varint": b"\x08" + b"\xff" * 10 + b"\x01",
    "cut_off": (SEQ + STATE + GRANTS)[:-10],
    "field_0": b"\x00\x01",
    "group": b"\x33\x08\x01\x34",
    "end_group": b"\x34",
    "reason_not_utf8": blob(3, blob(4, b"\xff\xfe")),
    "many_empty_grants": b"\x2a\x00" * 200,
}



# Steps of egd_session: what happens, how much, and for `send` what is sent.
def send(data):
    return bytes([0, len(data)]) + data


def arrive(size):
    return b"\x02\xff" * (size // 255) + bytes([2, size % 255])


GRANT, PASS, SETTLE = b"\x03", b"\x04\xff", b"\x84\xff"
HAND_OVER, HANG_UP, LEAVE_IN_PEACE = b"\x06\x00", b"\x07\x00", b"\x87\x00"


def taken(size):
    return bytes([0x84, size])  # a pass of which the socket takes so much


def drained(size):
    return bytes([5, size])


ALL_KINDS = send(b"\x00\x01\x05\x02\x05\x03\x00\x08\x01\x99\x04")

EGD_SESSION = {
    "nothing": b"",
    "one_of_each": ALL_KINDS + arrive(10) + SETTLE,
    "starved_then_served": send(b"\x02\x40") + PASS + arrive(0x20) + PASS + arrive(0x20) + PASS,
    "starved_non_blocking": send(b"\x01\x40") + PASS + SETTLE,
    "less_than_asked": send(b"\x01\x40\x01\x40") + arrive(0x50) + SETTLE,
    "granted_by_and_by": send(b"\x02\xff") + arrive(255) + (GRANT + b"\x10") * 16,
    "room_for_one": send(b"\x04" * 60) + b"\x03\x00" * 3,
    "half_a_command_crosses": send(b"\x02") + HAND_OVER + send(b"\x05") + arrive(5) + SETTLE,
    "data_of_a_write_cross": send(b"\x03\x00\x10\x04\x02") + HAND_OVER + send(b"\x02\x02\x02\x00") + SETTLE,
    "reply_refused_crosses": ALL_KINDS + arrive(10) + taken(0) + HAND_OVER + arrive(10) + SETTLE,
    "part_of_the_bits_left": ALL_KINDS + arrive(10) + taken(2) + HAND_OVER + arrive(10) + SETTLE,
    "length_of_a_short_read_left": ALL_KINDS + arrive(10) + taken(5) + HAND_OVER + arrive(10) + SETTLE,
    "part_of_a_short_read_left": ALL_KINDS + arrive(10) + taken(7) + HAND_OVER + arrive(10) + SETTLE,
    "part_of_the_pid_left": ALL_KINDS + arrive(10) + taken(17) + HAND_OVER + HAND_OVER + arrive(10) + SETTLE,
    "socket_takes_by_and_by": ALL_KINDS + arrive(10) + taken(3) + drained(4) + drained(200) + SETTLE,
    "handovers_in_a_row": send(b"\x02\x40\x01\x20") + (arrive(9) + taken(3) + HAND_OVER) * 5 + SETTLE,
    "as_many_as_it_may": send(b"\x00\x04" * 64) + send(b"\x00\x04" * 64) + SETTLE + send(b"\x00\x04" * 64),
    "many_cross_unanswered": send(b"\x02\x01" + b"\x00\x04" * 63) + HAND_OVER + send(b"\x04") + arrive(1) + SETTLE,
    "unknown_command": send(b"\x02\x05\x09") + send(b"\x04") + SETTLE,
    "hang_up_amid": send(b"\x02\x40") + arrive(9) + PASS + HANG_UP + send(b"\x02\x09") + LEAVE_IN_PEACE + ALL_KINDS,
}


def frame(message, descriptors=0):
    return len(message).to_bytes(4, "big") + descriptors.to_bytes(4, "big") + message


def run(kind, each, size, count, age=5):
    return blob(2, number(1, kind) + number(2, each) + number(3, size) + number(4, count) + number(5, age))


def session(*runs, half=b"", skip=0, literal=b"", commands=(1, 2, 3, 4, 5), took=9):
    fields = [blob(1, half), number(2, skip), number(3, 1), blob(4, literal), *(blob(5, one) for one in runs)]
    fields += [number(6, n) for n in commands]
    return b"".join(fields) + number(7, took)


def connections(*sessions):
    return frame(blob(6, b"".join(blob(1, number(1, 7) + blob(10, one)) for one in sessions)))


BEGIN = frame(blob(1, number(1, 1) + number(2, 1) + blob(3, b"0.1.0")))
READ, ASK, BITS, PID = run(2, 0, 600, 3), run(1, 32, 0, 2), run(0, 0, 0, 1), run(4, 0, 0, 1)

HANDOVER_LINK = {
    "nothing": b"",
    "begin": BEGIN,
    "refusal": frame(blob(2, blob(1, b"it hands over already"))),
    "refusal_not_utf8": frame(blob(2, blob(1, b"\xff\x1b[31m"))),
    "refusal_without_reason": frame(blob(2, b"")),
    "messages_in_a_row": BEGIN + frame(blob(4, b"")) + frame(blob(8, b"")),
    "empty_message": frame(b""),
    "no_such_field": frame(blob(15, b"x")),
    "half_a_header": b"\x00\x00\x00",
    "half_a_message": BEGIN[:-3],
    "longer_than_any": b"\xff\xff\xff\xff\x00\x00\x00\x00",
    "descriptors_promised": frame(blob(8, b""), 3),
    "more_descriptors_than_any": frame(blob(8, b""), 1 << 20),
    "message_of_noise": frame(bytes(range(256))),
    "idle_connection": connections(session()),
    "all_that_is_owed": connections(session(READ, ASK, BITS, PID)),
    "several_connections": connections(session(READ), session(ASK, PID), session()),
    "half_a_command": connections(session(half=b"\x03\x00\x10")),
    "amid_a_write": connections(session(skip=200)),
    "half_and_amid": connections(session(half=b"\x02", skip=3)),
    "rest_of_a_reply": connections(session(READ, literal=b"4711")),
    "literal_too_long": connections(session(literal=b"1" * 21)),
    "unknown_run": connections(session(run(3, 0, 0, 1)), session(run(9, 0, 0, 1))),
    "run_of_nothing": connections(session(run(2, 0, 0, 0))),
    "owes_more_than_can_be": connections(session(run(2, 0, 1 << 48, 1), run(2, 0, 1 << 48, 1))),
    "commands_missing": connections(session(commands=(1, 2))),
    "born_in_the_future": connections(session(run(2, 0, 5, 1, age=(1 << 64) - 5))),
}


def name(kind, text):
    return bytes([kind, len(text)]) + text


URI, DNS, CN, MAIL, SPIFFE, ADDRESS = range(6)
CERTIFICATE = {
    "nobody": b"",
    "spiffe": name(SPIFFE, b"dc1/agent/h7"),
    "spiffe_domain_alone": name(SPIFFE, b"dc1"),
    "two_spiffe": name(SPIFFE, b"dc1/a") + name(SPIFFE, b"dc1/b"),
    "spiffe_besides_dns": name(DNS, b"h7.example") + name(SPIFFE, b"dc1/a") + name(CN, b"h7"),
    "spiffe_upper_scheme": name(URI, b"SPIFFE://dc1/a"),
    "spiffe_empty_segment": name(SPIFFE, b"dc1//a"),
    "spiffe_dot_segments": name(SPIFFE, b"dc1/../operator"),
    "spiffe_slash_at_the_end": name(SPIFFE, b"dc1/a/"),
    "spiffe_upper_domain": name(SPIFFE, b"DC1/a"),
    "spiffe_with_port": name(SPIFFE, b"dc1:443/a"),
    "spiffe_escaped": name(SPIFFE, b"dc1/%61"),
    "other_uri": name(URI, b"https://dc1/a") + name(CN, b"h7"),
    "uri_with_space": name(URI, b"https://dc1/ a") + name(CN, b"h7"),
    "dns_in_upper_case": name(DNS, b"H7.Example"),
    "dns_as_spiffe": name(DNS, b"spiffe://dc1/operator/x"),
    "dns_with_zero": name(DNS, b"h7\0.example"),
    "dns_wildcard": name(DNS, b"*.example"),
    "dns_twice": name(DNS, b"a.example") + name(DNS, b"b.example"),
    "dns_then_a_bad_one": name(DNS, b"a.example") + name(DNS, b"b/example"),
    "cn_alone": name(CN, b"host 7"),
    "cn_as_spiffe": name(CN, b"spiffe://dc1/operator/x"),
    "cn_as_dns": name(CN, b"dns:h7.example"),
    "cn_twice": name(CN, b"a") + name(CN, b"b"),
    "cn_with_escape": name(CN, b"\x1b[31mred"),
    "cn_not_utf8": name(CN, b"\xff\xfe"),
    "cn_of_256": name(CN, b"a" * 255),
    "dns_of_247": name(DNS, b"a" * 247),
    "dns_of_255": name(DNS, b"a" * 255),
    "mail_and_address": name(MAIL, b"root@example") + name(ADDRESS, b"") + name(CN, b"h7"),
    "empty_dns": name(DNS, b""),
    "not_der": b"\xff\x30\x82\x01\x00nothing",
}


def crl(issuer, stale, *serials):
    return bytes([issuer, stale, len(serials), *serials])


ROOT, BELOW, STRANGER = range(3)
WITH_BELOW, ROOT_ALONE = b"\x01", b"\x00"
CRL = {
    "no_list": b"",
    "empty_list": ROOT_ALONE + crl(ROOT, 0),
    "leaf_of_root": ROOT_ALONE + crl(ROOT, 0, 7),
    "another_serial": ROOT_ALONE + crl(ROOT, 0, 8),
    "serial_of_another_issuer": WITH_BELOW + crl(BELOW, 0, 7),
    "issuer_below_not_in_bundle": ROOT_ALONE + crl(BELOW, 0, 7),
    "issuer_below_revoked": ROOT_ALONE + crl(ROOT, 0, 3),
    "issuer_below_revoked_in_bundle": WITH_BELOW + crl(ROOT, 0, 3),
    "stranger": ROOT_ALONE + crl(STRANGER, 0, 7),
    "stranger_besides_root": ROOT_ALONE + crl(ROOT, 0, 8) + crl(STRANGER, 0, 7),
    "stale_revokes": ROOT_ALONE + crl(ROOT, 1, 7),
    "stale_and_fresh": ROOT_ALONE + crl(ROOT, 1, 7) + crl(ROOT, 0),
    "two_lists": WITH_BELOW + crl(ROOT, 0, 1, 2, 3) + crl(BELOW, 0, 7, 8, 9),
    "many_serials": ROOT_ALONE + crl(ROOT, 0, *range(16)),
    "four_lists": WITH_BELOW + crl(ROOT, 0, 7) * 2 + crl(BELOW, 1, 7) * 2,
    "text_without_pem": b"\xff# no lists yet\n",
    "text_half_a_list": b"\xff-----BEGIN X509 CRL-----\nMIIB\n",
    "text_empty_list": b"\xff-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n",
    "text_of_a_certificate": b"\xff-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
}

ANSWER_ALL, RECEIVE, LEAVE = b"\x01", b"\x02", b"\xf9"


def answer(n):
    return bytes([5 * n])


def surplus(n):
    return bytes([3 + 5 * n])


def receive(n):
    return RECEIVE + bytes([n - 1])


EGD_DRIVER = {
    "nothing": b"",
    "one_request": receive(64) + ANSWER_ALL + receive(64),
    "silent": receive(64) * 8,
    "by_and_by": receive(64) + (answer(1) + receive(64)) * 12,
    "smaller_reads": receive(200) + ANSWER_ALL + receive(10) * 20,
    "larger_than_a_request": receive(256) + ANSWER_ALL + receive(256),
    "surplus_before": surplus(2) + receive(64),
    "surplus_after": receive(16) + surplus(20) + receive(64) * 4,
    "surplus_of_one": receive(3) + surplus(0) + surplus(0) + receive(3) * 3,
    "hangs_up_at_once": LEAVE + receive(64),
    "hangs_up_owing": receive(64) + answer(2) + LEAVE + receive(5) * 4,
    "hangs_up_after_all": receive(10) + ANSWER_ALL + LEAVE + receive(10) * 2,
    "comes_back": (receive(10) + ANSWER_ALL + LEAVE + receive(10) * 2) * 6,
    "answers_unasked": ANSWER_ALL * 3 + receive(9) + ANSWER_ALL + receive(9),
    "many_rounds": (receive(32) + ANSWER_ALL + receive(32)) * 16,
    "reads_one_by_one": receive(1) + (ANSWER_ALL + receive(1)) * 24,
}

FOLDERS = {"egd": EGD, "attach_wire": ATTACH_WIRE, "egd_session": EGD_SESSION, "handover_link": HANDOVER_LINK,
           "certificate": CERTIFICATE, "crl": CRL, "egd_driver": EGD_DRIVER}
for folder, inputs in FOLDERS.items():
    (HERE / folder).mkdir(parents=True, exist_ok=True)
    for name, data in inputs.items():
        (HERE / folder / name).write_bytes(data)
    print(f"{folder}: {len(inputs)} inputs")
