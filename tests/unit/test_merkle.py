"""The tree, the notes and the proofs against published vectors, and as laws.

Tree heads and paths: the reference vectors of Certificate Transparency (RFC 6962, whose
hashing RFC 9162 keeps). Notes: the example of Go's ``sumdb/note``, which C2SP's
``signed-note`` describes. Signatures: RFC 8032, section 7.1.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seat_ledger.integrity import leaf, merkle, note, proof

LEAVES = [
    bytes.fromhex(item)
    for item in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def tree(leaves: list[bytes]) -> merkle.Frontier:
    grown = merkle.Frontier()
    for leave in leaves:
        grown.add(merkle.leaf_hash(leave))
    return grown


def nodes(leaves: list[bytes], ranges: list[merkle.Range]) -> list[bytes]:
    return [tree(leaves[low:high]).root() for low, high in ranges]


def test_tree_heads_are_the_published_ones() -> None:
    assert merkle.EMPTY_ROOT.hex() == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    assert [tree(LEAVES[: n + 1]).root().hex() for n in range(8)] == ROOTS


def test_an_inclusion_path_is_the_published_one() -> None:
    path = nodes(LEAVES, merkle.inclusion_path(5, 8))
    assert [node.hex() for node in path] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_a_consistency_path_is_the_published_one() -> None:
    path = nodes(LEAVES, merkle.consistency_path(6, 8))
    assert [node.hex() for node in path] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(st.integers(1, 70), st.data())
def test_every_leaf_is_proven_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = [bytes([n]) * 3 for n in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path = nodes(leaves, merkle.inclusion_path(index, size))
    root, hashed = tree(leaves).root(), merkle.leaf_hash(leaves[index])
    assert merkle.root_from_inclusion(hashed, index, size, path) == root
    other = data.draw(st.integers(0, size + 2).filter(lambda n: n != index))
    assert merkle.root_from_inclusion(hashed, other, size, path) != root
    assert merkle.root_from_inclusion(hashed, index, size, [*path, root]) != root
    assert merkle.root_from_inclusion(b"x" * 32, index, size, path) != root


@given(st.integers(1, 70), st.data())
def test_growth_is_proven_and_rewriting_is_not(
    second: int, data: st.DataObject
) -> None:
    leaves = [bytes([n]) * 3 for n in range(second)]
    first = data.draw(st.integers(1, second))
    path = nodes(leaves, merkle.consistency_path(first, second))
    item, two = tree(leaves[:first]).root(), tree(leaves).root()
    assert merkle.is_consistent(first, second, item, two, path)
    changed = data.draw(st.integers(0, first - 1))
    rewritten = tree([*leaves[:changed], b"other", *leaves[changed + 1 :]]).root()
    new_path = nodes(
        [*leaves[:changed], b"other", *leaves[changed + 1 :]],
        merkle.consistency_path(first, second),
    )
    assert not merkle.is_consistent(first, second, item, rewritten, new_path)
    assert not merkle.is_consistent(first, second, item, rewritten, path)
    assert not merkle.is_consistent(first, second, item, two, [*path, item])


@given(st.integers(256, 700), st.binary(max_size=3))
def test_full_subtrees_make_the_same_tree_as_leaves(size: int, begin: bytes) -> None:
    leaves = [begin + number.to_bytes(2) for number in range(size)]
    hashes = b"".join(map(merkle.leaf_hash, leaves))
    full = len(hashes) // 8192 * 8192
    quick = merkle.Frontier()
    quick.extend(merkle.fold(hashes[:full], 8), 8)
    quick.extend(hashes[full:])
    assert quick.root() == tree(leaves).root()
    parts = merkle.full_subtrees(0, len(leaves))
    assert sum(1 << level for level, _ in parts) == len(leaves)


PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
NOTE = (
    NOTE_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2p"
    "ZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_published_note_is_signed_by_its_key_and_no_other() -> None:
    verifier = note.Verifier.read(PETER)
    assert str(verifier) == PETER
    assert verifier.text_of(NOTE) == NOTE_TEXT
    with pytest.raises(note.BadNote, match="not valid"):
        verifier.text_of(NOTE.replace("problem is", "problem was"))
    with pytest.raises(note.BadNote, match="not signed by"):
        note.Signer.generate("PeterNeumann").verifier.text_of(NOTE)


@pytest.mark.parametrize(
    ("seed", "public", "message", "signature"),
    [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a"
            "33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e1"
            "5996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ],
)
def test_signatures_are_those_of_the_standard(
    seed: str, public: str, message: str, signature: str
) -> None:
    signer = note.Signer("log", bytes.fromhex(seed))
    assert signer.verifier.public.hex() == public
    signed = signer.sign(bytes.fromhex(message).decode())
    data = base64.b64decode(signed.rpartition(" ")[2])
    assert data[4:].hex() == signature
    assert data[:4] == signer.verifier.key_id


def test_keys_are_read_back_and_never_shown() -> None:
    signer = note.Signer.generate("ledger.example.com/seats")
    assert note.Signer.read(signer.secret()) == signer
    assert signer.secret().split("+", 4)[4] not in repr(signer)
    with pytest.raises(note.BadNote):
        note.Signer.generate("two words")
    with pytest.raises(note.BadNote, match="id does not match"):
        note.Verifier.read(str(signer.verifier).replace("seats", "other"))


@pytest.mark.parametrize(
    "form", ["{} ", " {}", "\n{}", "{}\n\n", "{}\r\n", "{}\x1c", "\N{NO-BREAK SPACE}{}"]
)
def test_a_key_has_one_spelling(form: str) -> None:
    signer = note.Signer.generate("ledger.example.com/seats")
    for read, key in (
        (note.Signer.read, signer.secret()),
        (note.Verifier.read, f"{signer.verifier}"),
    ):
        assert read(f"{key}\n") == read(key)
        with pytest.raises(note.BadNote, match="one line"):
            read(form.format(key))


SIGNER = note.Signer.generate("ledger.example.com/seats")
EVENTS = [
    leaf.Event(
        n * 2 + 1,
        UUID(int=7),
        n + 1,
        "SeatPurchased",
        datetime(2026, 3, 14, 1, 2, 3, n, tzinfo=UTC),
        b'{"v":1,"reason":"\xc3\xa9"}' if n else b"\xff",
    )
    for n in range(11)
]
ENCODED = [leaf.encode(event) for event in EVENTS]


def signed(size: int) -> str:
    root = tree(ENCODED[:size]).root()
    sealed_at = datetime(2026, 3, 15, tzinfo=UTC)
    position = EVENTS[size - 1].position
    return SIGNER.sign(
        note.Checkpoint(SIGNER.name, size, root, position, sealed_at).text()
    )


def test_a_leaf_is_the_row_and_nothing_else() -> None:
    assert leaf.encode(
        leaf.Event(
            258,
            UUID("00112233-4455-6677-8899-aabbccddeeff"),
            3,
            "X",
            datetime(2000, 1, 1, 0, 0, 1, tzinfo=UTC),
            b"{}",
        )
    ).hex() == (
        "0006"
        "00000008"
        "0000000000000102"
        "00000010"
        "00112233445566778899aabbccddeeff"
        "00000008"
        "0000000000000003"
        "00000001"
        "58"
        "00000008"
        "00000000000f4240"
        "00000002"
        "7b7d"
    )
    for event, item in zip(EVENTS, ENCODED, strict=True):
        assert leaf.decode(item) == event
        assert leaf.position_of(leaf.at_position(item, 99)) == 99
        with pytest.raises(ValueError, match="not a leaf"):
            leaf.decode(item + b"x")


def test_a_checkpoint_reads_as_it_was_signed() -> None:
    text = SIGNER.verifier.text_of(signed(11))
    result = note.Checkpoint.read(text)
    assert (result.size, result.position) == (11, 21)
    assert result.text() == text
    foreign = note.Signer(SIGNER.name + "x", SIGNER.seed).sign(text)
    with pytest.raises(note.BadNote):
        note.open_checkpoint(foreign, SIGNER.verifier)


@pytest.mark.parametrize("index", [0, 4, 10])
def test_a_proof_stands_alone_and_any_change_breaks_it(index: int) -> None:
    path = nodes(ENCODED, merkle.inclusion_path(index, 11))
    document = proof.inclusion(EVENTS[index], index, path, signed(11))
    text = proof.text(document)
    shown = proof.check(text, SIGNER.verifier)
    assert (shown.event, shown.leaf_index) == (EVENTS[index], index)
    other = {**document["event"], "topic": "SeatRetired"}
    for altered in (
        {**document, "event": other},
        {**document, "index": index + 1},
        {**document, "path": document["path"][1:]},
        {**document, "checkpoint": signed(10)},
        {**document, "checkpoint": document["checkpoint"].replace("\n11\n", "\n12\n")},
        {**document, "format": "something"},
        {**document, "event": []},
        {**document, "index": None},
    ):
        with pytest.raises(proof.BadProof):
            proof.check(proof.text(altered), SIGNER.verifier)
    with pytest.raises(proof.BadProof):
        proof.check(text, note.Signer.generate(SIGNER.name).verifier)


def test_a_later_checkpoint_is_proven_to_continue_an_earlier_one() -> None:
    path = nodes(ENCODED, merkle.consistency_path(6, 11))
    document = proof.consistency(path, signed(6), signed(11))
    shown = proof.check(proof.text(document), SIGNER.verifier)
    assert shown.earlier is not None
    assert (shown.earlier.size, shown.checkpoint.size) == (6, 11)
    with pytest.raises(proof.BadProof, match="does not continue"):
        proof.check(proof.text({**document, "earlier": signed(5)}), SIGNER.verifier)


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_no_text_makes_the_checker_stumble(text: str) -> None:
    with pytest.raises(proof.BadProof):
        proof.check(text, SIGNER.verifier)


def spelled(find: str, replacement: str) -> Callable[[str], str]:
    def change(file: str) -> str:
        assert find in file
        return file.replace(find, replacement, 1)

    return change


def in_note(change: Callable[[str], str]) -> Callable[[str], str]:
    def changed(file: str) -> str:
        document = json.loads(file)
        document["checkpoint"] = change(document["checkpoint"])
        return proof.text(document)

    return changed


def loosened(encoded: str) -> str:
    """The same bytes in base64, with bits set that do not count."""
    bare = encoded.rstrip("=")
    at = ALPHABET.index(bare[-1])
    return bare[:-1] + ALPHABET[at ^ 1] + "=" * (len(encoded) - len(bare))


def loosen_path(file: str) -> str:
    document = json.loads(file)
    document["path"][0] = loosened(document["path"][0])
    return proof.text(document)


def loosen_signature(note_text: str) -> str:
    head, _, signature = note_text.rstrip("\n").rpartition(" ")
    return f"{head} {loosened(signature)}\n"


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
SPELLINGS = {
    "a fraction": spelled('"position": 9', '"position": 9.5'),
    "a whole fraction": spelled('"position": 9', '"position": 9.0'),
    "an exponent": spelled('"position": 9', '"position": 9e0'),
    "a number as text": spelled('"position": 9', '"position": "9"'),
    "not a number": spelled('"position": 9', '"position": NaN'),
    "infinity": spelled('"index": 4', '"index": Infinity'),
    "a truth value": spelled('"version": 5', '"version": true'),
    "beyond eight bytes": spelled('"position": 9', f'"position": {2**64 + 9}'),
    "a very long number": spelled('"position": 9', f'"position": {"9" * 5000}'),
    "an index as a fraction": spelled('"index": 4', '"index": 4.9'),
    "a minus": spelled('"index": 4', '"index": -0'),
    "a key twice": spelled('"index": 4', '"index": 3,\n "index": 4'),
    "a key more": spelled('"index": 4', '"index": 4,\n "note": "x"'),
    "a key more in the event": spelled('"version": 5', '"version": 5,\n  "x": 1'),
    "keys in another order": spelled(
        '"position": 9,\n  "stream": "00000000-0000-0000-0000-000000000007"',
        '"stream": "00000000-0000-0000-0000-000000000007",\n  "position": 9',
    ),
    "a stream in capitals": spelled('"stream": "0', '"stream": "{0'),
    "a stream without dashes": spelled("0000-0000-0000-0000", "0000000000000000"),
    "another zone": spelled("01:02:03.000004Z", "02:02:03.000004+01:00"),
    "a time with a space": spelled("2026-03-14T", "2026-03-14 "),
    "a time without zone": spelled(".000004Z", ".000004"),
    "carriage returns": lambda file: file.replace("\n", "\r\n"),
    "a byte order mark": lambda file: "\ufeff" + file,
    "a space at the end": lambda file: file + " ",
    "a line at the end": lambda file: file + "\n",
    "no line at the end": lambda file: file.rstrip("\n"),
    "a second document": lambda file: file + file,
    "escapes": spelled("SeatPurchased", "Seat\\u0050urchased"),
    "without blanks": lambda file: json.dumps(json.loads(file)),
    "base64 with other bits": loosen_path,
    "base64 with a line break": spelled('=",\n', '=\\n",\n'),
    "a path as text": spelled('"path": [', '"path": "",\n "_": ['),
    "a signature with other bits": in_note(loosen_signature),
    "a second signature": in_note(lambda text: text + text.splitlines()[-1] + "\n"),
    "a signature of nobody": in_note(lambda text: text + "\u2014 nobody AAAA\n"),
    "a note with a line more": in_note(lambda text: text + "\n"),
    "a note with a blank": in_note(lambda text: text.replace("\n\n", "\n\n\n")),
    "a note with carriage returns": in_note(lambda text: text.replace("\n", "\r\n")),
    "a note without an end": in_note(lambda text: text.rstrip("\n")),
    "a size with a zero before": in_note(
        lambda text: text.replace("\n11\n", "\n011\n")
    ),
    "a size in other digits": in_note(
        lambda text: text.replace("\n11\n", "\n\u0661\u0661\n")
    ),
}


def proof_of_five() -> str:
    path = nodes(ENCODED, merkle.inclusion_path(4, 11))
    return proof.text(proof.inclusion(EVENTS[4], 4, path, signed(11)))


@pytest.mark.parametrize("change", SPELLINGS.values(), ids=SPELLINGS)
def test_a_proof_has_one_spelling(change: Callable[[str], str]) -> None:
    file = proof_of_five()
    assert proof.check(file, SIGNER.verifier).leaf_index == 4
    changed = change(file)
    assert changed != file
    with pytest.raises(proof.BadProof):
        proof.check(changed, SIGNER.verifier)


PROOFS = [
    proof_of_five(),
    proof.text(
        proof.consistency(
            nodes(ENCODED, merkle.consistency_path(6, 11)), signed(6), signed(11)
        )
    ),
]
PIECES = ["", " ", "\n", "\r", "0", "9", "-", ".", "e1", "=", "/", '"', ",", "{", "}"]
PIECES += ["null", "true", "NaN", "[]", "\\u0000", "\ud800", "\u2028", "A", "1e999"]


@settings(max_examples=300)
@given(st.data())
def test_no_change_of_a_proof_passes(data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(PROOFS))
    changed = file
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed)))
        until = at + data.draw(st.integers(0, 3))
        changed = changed[:at] + data.draw(st.sampled_from(PIECES)) + changed[until:]
    if changed != file:
        with pytest.raises(proof.BadProof):
            proof.check(changed, SIGNER.verifier)


@pytest.mark.parametrize(
    "lines",
    [
        ["log", "1", "{root}", "sealed 2026-03-14T01:00:00.000000Z", "position 1"],
        ["log", "1", "{root}", "position 01"],
        ["log", "1", "{root}", "position 1", "more 1"],
        ["log", "1", "{root}", "sealed 2026-03-14T01:00:00Z"],
        ["log", "1", "{root}", "ledger 00000000-0000-0000-0000-00000000000A"],
        ["log", "+1", "{root}"],
        ["log", "1", "{root}="],
        ["two words", "1", "{root}"],
    ],
)
def test_a_checkpoint_has_one_spelling(lines: list[str]) -> None:
    root = base64.b64encode(bytes(32)).decode()
    assert note.Checkpoint.read(f"log\n1\n{root}\nposition 1\n").position == 1
    with pytest.raises(note.BadNote):
        note.Checkpoint.read("\n".join(lines).format(root=root) + "\n")
