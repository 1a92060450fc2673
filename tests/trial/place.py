"""A folder with data files and a store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from atelier_store.layout import Store
from atelier_store.records import Column
from atelier_store.spec import Data
from atelier_trial.data import Arrays, DataError, Prepared, load, prepare


class Place:
    """A folder with files and a store. What it writes is described as in a profile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "store")

    def prepare(
        self, source: str, progress: Callable[[str], object] = lambda _: None, *, seed: int = 0, **data: Any
    ) -> Prepared:
        of_profile = Data.model_validate({"source": source, **data})
        return prepare(of_profile, self.store, self.folder, None, seed, progress)

    def arrays(self, source: str, **data: Any) -> tuple[Prepared, Arrays]:
        description = self.prepare(source, **data)
        return description, load(self.store, description)

    def refused(self, source: str, **data: Any) -> list[str]:
        with pytest.raises(DataError) as error:
            self.prepare(source, **data)
        return error.value.violations

    def npz(self, x: npt.ArrayLike, y: npt.ArrayLike, name: str = "train.npz", **more: Any) -> dict[str, Any]:
        np.savez(self.folder / name, x=x, y=y, **more)
        return {"files": {"train": {"path": name}}}

    def csv(self, text: str) -> dict[str, Any]:
        (self.folder / "t.csv").write_text(text)
        return {"files": {"train": {"path": "t.csv"}}, "target": "y"}

    def table(self, content: str | bytes, name: str = "t.csv", **more: Any) -> dict[str, Any]:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return {"files": {"train": {"path": name}}, "target": "y"} | more

    def columns(self, content: str | bytes, **more: Any) -> dict[str, Column]:
        """The columns that are kept of a table, by their names."""
        return {column.name: column for column in self.prepare("table", **self.table(content, **more)).columns or ()}
