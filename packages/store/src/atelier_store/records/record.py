"""What every file of a store is: one pydantic model, with its digest."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from atelier_store import sealed
from atelier_store.files import write_text


class TornRecord(ValueError):
    """A record that exists and cannot be read as one, or is not as it was written."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = path, problem


class Record(BaseModel):
    """A file of the store, or a line of one, with its digest.

    Rejects numbers that are not finite, and unknown fields within one schema version.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @property
    def document(self) -> str:
        """Its file's text, with its digest."""
        return sealed.document(self.model_dump_json(indent=2))

    def write(self, path: Path) -> None:
        """Write to path, atomically, with its digest."""
        write_text(path, self.document)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The record at path. FileNotFoundError; TornRecord, which names file and reason, if the file is not one."""
        return cls.parse(path.read_bytes(), path)

    @classmethod
    def parse(cls, content: bytes, path: Path) -> Self:
        """The record in the content of the file at path. Raises TornRecord, likewise."""
        try:
            return cls.model_validate_json(sealed.read_document(content))
        except sealed.Altered as error:
            raise TornRecord(path, str(error)) from error
        except ValidationError as error:
            raise TornRecord(path, f"not a whole {cls.__name__}: {reasons(error)}") from error

    @classmethod
    def read_if_there(cls, path: Path) -> Self | None:
        """The record at path, or None if it is missing. Raises TornRecord, for what must not be decided without it."""
        try:
            return cls.read(path)
        except FileNotFoundError:
            return None

    @classmethod
    def read_if_whole(cls, path: Path) -> Self | None:
        """The record at path, or None if it is missing or torn."""
        try:
            return cls.read(path)
        except (FileNotFoundError, TornRecord):
            return None


def reasons(error: ValidationError) -> str:
    """The first three things that are wrong with a file, and where in it."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()[:3])
