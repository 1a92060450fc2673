"""A folder with data files and a store."""

import numpy as np
import pytest
from atelier_store.layout import Store
from atelier_store.spec import Data
from atelier_trial.data import DataError, load, prepare


class Place:
    """A folder with files and a store."""

    def __init__(self, folder):
        self.folder = folder
        self.store = Store(folder / "store")

    def prepare(self, source, seed=0, **data):
        return prepare(Data.model_validate({"source": source, **data}), self.store, self.folder, None, seed)

    def arrays(self, source, **data):
        description = self.prepare(source, **data)
        return description, load(self.store, description)

    def refused(self, source, **data):
        with pytest.raises(DataError) as error:
            self.prepare(source, **data)
        return error.value.violations

    def npz(self, x, y, name="train.npz", **more):
        np.savez(self.folder / name, x=x, y=y, **more)
        return {"files": {"train": {"path": name}}}

    def csv(self, text):
        (self.folder / "t.csv").write_text(text)
        return {"files": {"train": {"path": "t.csv"}}, "target": "y"}


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)
