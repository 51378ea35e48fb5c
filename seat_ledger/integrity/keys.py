"""The keys' files: a private key for its owner alone, and a public one beside it."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seat_ledger.errors import (
    IntegrityFailure,
    InvalidInput,
    LedgerError,
    NotFound,
    system_reason,
    way_out,
)
from seat_ledger.integrity.note import BadNote, Signer, Verifier
from seat_ledger.store.input_files import opened, read_text

_LARGEST = 4096


@dataclass(frozen=True)
class Keys:
    """Where the keys are: a private one, and the public one beside it."""

    private: Path

    @property
    def public(self) -> Path:
        """The public key's file."""
        return self.private.with_suffix(".pub")

    @property
    def exist(self) -> bool:
        """Whether there is any of them."""
        return self.private.exists() or self.public.exists()

    def signer(self, name: str | None = None) -> Signer:
        """The private key; made, under `name`, where there is none.

        Raises LedgerError, which never holds the key; IntegrityFailure where the
        public key beside it is another one's.
        """
        try:
            text = self._read_private()
        except FileNotFoundError:
            return self._make(name)
        except OSError as error:
            raise _unusable(self.private, error) from error
        try:
            signer = Signer.read(text)
        except BadNote as error:
            raise LedgerError(
                f"The key in {self.private} cannot be used: {error}.",
                try_="restore the file from its backup, or name another with --key",
            ) from None
        if name is not None and name != signer.name:
            raise LedgerError(
                f"The key in {self.private} signs as {signer.name}, not as {name}.",
                try_="omit --name, or name another --key",
            )
        self._check_pair(signer.verifier)
        return signer

    def _read_private(self) -> str:
        with opened(self.private) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise LedgerError(
                    f"The private key {self.private} can be read by others "
                    f"(mode {mode:03o}).",
                    try_=f"chmod 600 {self.private}; if others could read it, make a "
                    "new key",
                )
            return file.read(_LARGEST).decode(errors="replace")

    def _make(self, name: str | None) -> Signer:
        try:
            signer = Signer.generate(
                f"seat-ledger/{secrets.token_hex(8)}" if name is None else name
            )
        except BadNote as error:
            raise InvalidInput(f"The name cannot be used: {error}.") from error
        try:
            self.private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_new(self.private, f"{signer.secret()}\n", 0o600)
            write_beside(self.public, f"{signer.verifier}\n")
        except FileExistsError:
            return self.signer(name)
        except OSError as error:
            raise _unusable(self.private, error) from error
        return signer

    def verifier(self) -> Verifier:
        """The public key. Raises NotFound where there is none, and IntegrityFailure
        where the one beside the private key is not its own.
        """
        if self.private.exists():
            try:
                return self.signer().verifier
            except IntegrityFailure:
                raise
            except LedgerError:  # who only checks needs no private key
                if not self.public.exists():
                    raise
        if not self.public.exists():
            raise NotFound(
                "nothing_sealed",
                f"There is no public key at {self.public}.",
                try_="name it with --public-key, or seal first: seat-ledger integrity "
                "seal",
            )
        return read_public(os.fspath(self.public))

    def _check_pair(self, own: Verifier) -> None:
        """Raise IntegrityFailure where the public key is another one's."""
        if not self.public.exists():
            return
        public = read_public(os.fspath(self.public))
        if str(public) != str(own):
            raise IntegrityFailure(
                f"The public key in {self.public} is {public.label}; that of the "
                f"private key beside it is {own.label}. One of them was replaced.",
                try_="find out which of them sealed this ledger, and restore the "
                "other from its backup",
            )


def _unusable(path: Path, error: OSError) -> LedgerError:
    return LedgerError(
        f"The key file {path} cannot be used: {system_reason(error)}.",
        try_=way_out(error, "name another with --key (SEAT_LEDGER_INTEGRITY_KEY)"),
    )


def write(descriptor: int, text: str) -> None:
    """Add to a file so that it is there after a power cut, whole or not at all."""
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        before, remaining = os.fstat(descriptor).st_size, text.encode()
        try:
            while remaining:
                remaining = remaining[file.write(remaining) or 0 :]
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                file.truncate(before)
            raise


def write_new(path: Path, text: str, mode: int) -> None:
    """Write a file that is not there; none is left where it cannot be written whole.

    Whoever reads it meanwhile finds none, or all of it. Raises FileExistsError.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:20]}.", dir=path.parent)
    partial = Path(name)
    try:
        os.fchmod(descriptor, mode)
        write(descriptor, text)
        _name(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink()


def _name(file: Path, path: Path) -> None:
    """Let a file have a name that no other has. Raises FileExistsError."""
    try:
        path.hardlink_to(file)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, as some that are mounted
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        file.replace(path)


def write_beside(path: Path, text: str) -> None:
    """Write a file for everybody to read, whole, and in place of what is there.

    It is made under a name that nobody can foresee, so that a link that somebody
    planted in the folder is replaced, and never followed.
    """
    prefix = f".{path.name[:20]}."
    descriptor, name = tempfile.mkstemp(prefix=prefix, dir=path.parent)
    partial = Path(name)
    try:
        os.fchmod(descriptor, 0o644)
        write(descriptor, text)
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()


_RESTORE = (
    "restore the file that stood beside the private key, or give the key as text: "
    "--public-key NAME+ID+KEY"
)


def read_public(value: str) -> Verifier:
    """A public key, as text or as the name of its file. Raises InvalidInput."""
    place = value
    try:
        if "+" not in value or Path(value).is_file():
            value = read_text(Path(value), _LARGEST)
        return Verifier.read(value)
    except (OSError, ValueError) as error:
        if isinstance(error, BadNote):
            what = f"The public key {place} cannot be read: {error}."
            raise InvalidInput(what, try_=_RESTORE) from error
        what = f"There is no public key at {place}: {error}."
        raise InvalidInput(what, try_=_RESTORE) from error
