"""What a hostile session says to bob: its link ends with a code, or its op with an error; bob serves the others."""

from __future__ import annotations

import base64

from fedsock import errors
from tests.bad_input.parts import QUOTA_BYTES, House, raw

EIGHT = base64.b64encode(bytes(8)).decode()


def put(value: str) -> str:
    """Return a put of a value that is JSON already."""
    return f'[{{"t":"put","id":1,"value":{value}}}]'


def array(dtype: str, shape: str, data: str = EIGHT) -> str:
    """Return a put of an array with this header."""
    return put(f'{{"$array":{{"dtype":{dtype},"shape":{shape},"data":"{data}"}}}}')


MESSAGES = {
    "no JSON": "[{",
    "nothing": "",
    "no list": '{"t":"open"}',
    "a list of no messages": "[1]",
    "an unknown kind": '[{"t":"shutdown"}]',
    "a kind that only workers say": '[{"t":"done","id":1}]',
    "an unknown field": '[{"t":"open","now":true}]',
    "a field missing": '[{"t":"op","id":1}]',
    "a null as an id": '[{"t":"op","id":null,"fn":"add"}]',
    "a negative id": '[{"t":"op","id":-1,"fn":"add"}]',
    "an id beyond 64 bits": '[{"t":"op","id":18446744073709551616,"fn":"add"}]',
    "an id of another type": '[{"t":"op","id":"1","fn":"add"}]',
    "more results than any op has": '[{"t":"op","id":1,"fn":"add","n":1000000000}]',
    "a bare NaN": '[{"t":"op","id":1,"fn":"add","args":[NaN,1]}]',
    "a bare Infinity": '[{"t":"op","id":1,"fn":"add","args":[Infinity,1]}]',
    "a lone surrogate": put('"\\ud800"'),
    "values nested 10,000 deep": put("[" * 10_000 + "]" * 10_000),
    "values nested 100 deep": put("[" * 100 + "]" * 100),
    "objects nested 10,000 deep": put('{"$tuple":[' * 10_000 + "]}" * 10_000),
    "an unknown tag": put('{"$pickle":"gASVAAAA"}'),
    "two tags": put('{"$float":"nan","$int":"1"}'),
    "a null as a part of a complex number": put('{"$complex":[null,1]}'),
    "a tagged integer that is none": put('{"$int":"1e9"}'),
    "a tagged integer of too many digits": put('{"$int":"' + "9" * 5000 + '"}'),
    "an object dtype": array('"object"', "[1]"),
    "an object dtype, short": array('"O"', "[1]"),
    "a structured dtype": array('"f8,i4"', "[1]"),
    "a structured dtype as a list": array('[["a","f8"]]', "[1]"),
    "bytes as a dtype": array('"S8"', "[1]"),
    "a null as a dtype": array("null", "[1]"),
    "a negative size": array('"float64"', "[-1]"),
    "two negative sizes": array('"float64"', "[-1,-1]"),
    "a null as a size": array('"float64"', "[null]"),
    "a float as a size": array('"float64"', "[1.0]"),
    "a size beyond 64 bits": array('"float64"', "[18446744073709551616]"),
    "sizes that overflow": array('"float64"', "[4294967296,4294967296]"),
    "sizes that overflow to one": array('"float64"', "[9223372036854775808,2]"),
    "nothing times more than any memory": array('"float64"', "[0,9223372036854775807]", ""),
    "more axes than numpy has": array('"float64"', f"[{','.join('1' * 65)}]"),
    "fewer bytes than announced": array('"float64"', "[2]"),
    "more bytes than announced": array('"int8"', "[2]"),
    "no base64": array('"float64"', "[1]", "!!!"),
    "base64 cut short": array('"float64"', "[1]", EIGHT[:-1]),
    "a bool that is none": array('"bool"', "[8]", base64.b64encode(b"\x02" * 8).decode()),
    "text beyond Unicode": array('"U2"', "[1]", base64.b64encode(b"\xff" * 8).decode()),
    "a stream of negative number": put('{"$array":{"dtype":"float64","shape":[1],"stream":-1}}'),
    "a stream larger than any memory": put('{"$array":{"dtype":"int8","shape":[281474976710656],"stream":1}}'),
    "a stream twice": put("[" + ",".join(['{"$array":{"dtype":"float64","shape":[9],"stream":1}}'] * 2) + "]"),
    "a message nearly as long as a frame, of lists": put("[" + "[]," * 340_000 + "x"),
}  # fmt: skip
"""What is wrong -> the body."""


async def test_a_body_that_is_wrong_ends_that_link_only(house: House) -> None:
    for case, body in MESSAGES.items():
        async with raw(house.url) as peer:
            await peer.batch(peer.bob, body.encode())
            assert await peer.reset() == errors.BadMessage.code, case


async def test_a_result_id_used_twice(house: House) -> None:
    async with raw(house.url) as peer:
        await peer.batch(peer.bob, b'[{"t":"put","id":1,"value":1},{"t":"put","id":1,"value":2}]')
        assert await peer.reset() == errors.IdReused.code


async def test_what_is_wrong_with_an_op_is_its_own_error(house: House) -> None:
    cases = {
        '"fn":"os.system","args":["true"]': (errors.UnknownOp, "os.system"),
        '"fn":"__import__","args":["os"]': (errors.UnknownOp, "__import__"),
        '"fn":"add","args":[null,1]': (errors.OpTypeError, "add"),
        '"fn":"sum","args":[{"$":"x"}],"kw":{"axis":null,"dtype":"float64","what":1}': (errors.OpTypeError, "sum"),
        '"fn":"zeros","args":[null]': (errors.OpTypeError, "zeros"),
        '"fn":"zeros","args":[[-1]]': (errors.OpValueError, "zeros"),
        '"fn":"zeros","args":[[1000000000]]': (errors.QuotaExceeded, "bytes"),
        '"fn":"add","args":[{"$":"nowhere"},1]': (errors.UnknownObject, "nowhere"),
    }
    async with raw(house.url) as peer:
        for number, (op, (kind, word)) in enumerate(cases.items(), 1):
            await peer.batch(peer.bob, b'[{"t":"op","id":%d,%s}]' % (number, op.encode()), seq=number)
            told = await peer.message("error")
            assert told["id"] == number, op
            assert issubclass(errors.BY_CODE[told["code"]], kind), (op, told)
            assert word in told["message"] and "Traceback" not in told["message"], (op, told)


async def test_an_upload_above_the_quota_is_refused_before_its_bytes_come(house: House) -> None:
    async with raw(house.url) as peer:
        header = f'{{"$array":{{"dtype":"int8","shape":[{QUOTA_BYTES + 1}],"stream":1}}}}'
        await peer.batch(peer.bob, put(header).encode())
        told = await peer.message("error")
        assert told["code"] == errors.QuotaExceeded.code
        assert str(QUOTA_BYTES) in told["message"].replace(",", "")
        await peer.chunk(peer.bob, bytes(1000), seq=2, stream=1, at=0)
        await peer.batch(peer.bob, b'[{"t":"op","id":2,"fn":"add","args":[1,1]},{"t":"get","id":3,"ref":2}]', seq=3)
        assert (await peer.message("value"))["value"]["$scalar"][0] == "int64"


async def test_chunks_that_do_not_fit_their_stream(house: House) -> None:
    announced = put('{"$array":{"dtype":"int8","shape":[10000],"stream":1}}').encode()
    cases: dict[str, list[tuple[int, int]]] = {
        "beyond the end": [(0, 10_001)],
        "beyond the end later": [(0, 6000), (6000, 6000)],
        "not at the beginning": [(1, 1000)],
        "out of order": [(0, 1000), (2000, 1000)],
        "overlapping": [(0, 1000), (500, 1000)],
        "the same again": [(0, 1000), (0, 1000)],
        "without bytes": [(0, 0)],
        "far beyond": [(2**53 - 1, 1)],
    }
    for case, chunks in cases.items():
        async with raw(house.url) as peer:
            await peer.batch(peer.bob, announced)
            for seq, (at, size) in enumerate(chunks, 2):
                await peer.chunk(peer.bob, bytes(size), seq=seq, stream=1, at=at)
            assert await peer.reset() == errors.BadMessage.code, case


async def test_a_null_and_a_big_integer_come_back_as_they_were(house: House) -> None:
    async with raw(house.url) as peer:
        value = b'{"$tuple":[null,{"$int":"18446744073709551616"},{"$float":"nan"}]}'
        await peer.batch(peer.bob, b'[{"t":"put","id":1,"value":%s},{"t":"get","id":2,"ref":1}]' % value)
        told = await peer.message("value")
        assert told["value"] == {"$tuple": [None, {"$int": "18446744073709551616"}, {"$float": "nan"}]}
