"""Wrong values of a file: all are named at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.profile.sound_profile import SOUND, refused, written, wrong


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "  maxTrialCount: 8",
            "  maxTrialCont: 8",
            "x.yaml:3: experiment.maxTrialCont: unknown key; did you mean maxTrialCount? allowed: ",
        ),
        ("  data:", "  dta: 1\n  data:", "x.yaml:15: trainer.dta: unknown key; did you mean data? allowed: "),
        ("trainer:", "traner: {}\ntrainer:", "x.yaml:14: traner: unknown key; did you mean trainer? allowed: "),
        (
            "min: 0.001",
            "mim: 1\n        min: 0.001",
            "x.yaml:9: experiment.parameters[0].feasibleSpace.mim: unknown key; did you mean min?",
        ),
        (
            "  maxTrialCount: 8",
            "  maxTrialCount: many",
            'x.yaml:3: experiment.maxTrialCount: "many" is not a whole number',
        ),
        (
            "name: stage1_depth",
            "name: y",
            "x.yaml:11: experiment.parameters[1].name: true is not allowed; allowed: text; put it into",
        ),
        (
            "  maxTrialCount: 8",
            "  maxTrialCount: 1",
            "x.yaml:4: experiment.maxFailedTrialCount: 2 is more than maxTrialCount 1",
        ),
        (
            "  maxTrialCount: 8",
            "  maxTrialCount: 8\n  parallelTrialCount: 9",
            "x.yaml:4: experiment.parallelTrialCount: 9 is more than maxTrialCount 8",
        ),
        ("min: 0.001", "min: 0.5", "x.yaml:9: experiment.parameters[0].feasibleSpace.min: 0.5 is more than max 0.01"),
        (
            "        max: 0.01\n",
            "",
            "x.yaml:8: experiment.parameters[0].feasibleSpace.max: is missing where parameterType is int or double",
        ),
        (
            "min: 0.001",
            "list: [1]\n        min: 0.001",
            "x.yaml:9: experiment.parameters[0].feasibleSpace.list: unknown key; allowed: min, max",
        ),
        (
            "min: 0.001",
            "step: 0\n        min: 0.001",
            "x.yaml:9: experiment.parameters[0].feasibleSpace.step: 0 is not allowed; it must be more than 0",
        ),
        (
            "min: 0.001",
            "min: 1e999",
            "x.yaml:9: experiment.parameters[0].feasibleSpace.min: 1e999 is not a finite number",
        ),
        (
            "min: 0.001",
            "min: small",
            'x.yaml:9: experiment.parameters[0].feasibleSpace.min: "small" is not allowed; allowed: numbers',
        ),
        (
            "min: 0.001",
            "distribution: logUniform\n        min: 0",
            "x.yaml:10: experiment.parameters[0].feasibleSpace.min: 0 is not allowed with logUniform",
        ),
        (
            "min: 0.001",
            "distribution: normal\n        min: 0.001",
            'x.yaml:9: experiment.parameters[0].feasibleSpace.distribution: "normal" is not allowed; ',
        ),
        (
            "max: 0.01",
            "max: 7",
            'x.yaml:10: experiment.parameters[0].feasibleSpace.max: lr: "7" is not allowed; allowed: numbers',
        ),
        (
            "{min: 1, max: 3}",
            "{min: 1, max: 2.5}",
            "x.yaml:13: experiment.parameters[1].feasibleSpace.max: 2.5 is not allowed; allowed: whole numbers",
        ),
        (
            "name: stage1_depth",
            "name: lr",
            "x.yaml:11: experiment.parameters[1].name: lr is there twice; the first is experiment.parameters[0]",
        ),
        (
            "name: stage1_depth",
            "name: stage1_dept",
            "x.yaml:11: experiment.parameters[1].name: stage1_dept: unknown parameter for images; did you mean stage1_",
        ),
        (
            "parameterType: int",
            "parameterType: integer",
            'x.yaml:12: experiment.parameters[1].parameterType: "integer" is not allowed; ',
        ),
        (
            "parameterType: int",
            "parameterType: discrete",
            "x.yaml:13: experiment.parameters[1].feasibleSpace.list: is missing where parameterType is categorical",
        ),
        (
            "{min: 1, max: 3}",
            "{min: 1, max: 3, list: []}",
            "x.yaml:13: experiment.parameters[1].feasibleSpace.list: is empty; the least allowed is 1",
        ),
        (
            "name: digits",
            "name: digit",
            'x.yaml:17: trainer.data.name: "digit" is not allowed; did you mean digits? allowed: ',
        ),
        ("source: sklearn", "source: csv", "x.yaml:15: trainer.data.target: is missing where source is csv"),
        (
            "source: sklearn\n    name: digits",
            "source: images\n    files: {train: {path: x}}\n    task: multilabel",
            'x.yaml:18: trainer.data.task: "multilabel" is not allowed; allowed: classification where source is images',
        ),
        ("source: sklearn", "source: idx", "x.yaml:15: trainer.data.files.trainImages: is missing where source is idx"),
        (
            "name: digits",
            "name: digits\n    files: {train: {path: x}}",
            "x.yaml:18: trainer.data.files.train: unknown key; allowed: none where source is sklearn",
        ),
        (
            "name: digits",
            "name: digits\n  network: no_such_module:f",
            "x.yaml:18: trainer.network: 'no_such_module:f' cannot be imported",
        ),
        (
            "name: digits",
            "name: digits\n  loss: no_such_module:f",
            "x.yaml:18: trainer.loss: 'no_such_module:f' cannot be imported",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    violations = wrong(tmp_path, old, new)
    assert [violation for violation in violations if violation.startswith(message)], violations


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("{size: [28]}", "image.size: [28] is too short; the least allowed is 2"),
        ("{size: [0, 28]}", "image.size[0]: 0 is less than 1, the least allowed"),
        ("{size: small}", 'image.size: "small" is not allowed; auto, or [height, width]'),
        ("{channels: 2}", "image.channels: 2 is not allowed; allowed: 1, 3, auto, null"),
        ("{fit: cropp}", 'image.fit: "cropp" is not allowed; did you mean crop? allowed: stretch, crop, pad, null'),
    ],
)
def test_what_pictures_cannot_become_is_named(tmp_path: Path, image: str, message: str) -> None:
    data = f"source: images\n    files: {{train: {{path: leaves}}}}\n    image: {image}"
    (violation,) = wrong(tmp_path, "source: sklearn\n    name: digits", data)
    assert message in violation


def test_only_pictures_become_something(tmp_path: Path) -> None:
    pictures, unreadable = wrong(
        tmp_path, "name: digits", "name: digits\n    image: {fit: crop}\n    onUnreadable: skip"
    )
    assert 'trainer.data.image: {"fit": "crop"} is not allowed; allowed: null where source is sklearn' in pictures
    assert 'trainer.data.onUnreadable: "skip" is not allowed; allowed: null where source is sklearn' in unreadable


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        SOUND.replace("maxTrialCount: 8", "maxTrialCount: none")
        .replace("min: 0.001", "min: 0.5")
        .replace("name: stage1_depth", "nam: stage1_depth")
        .replace("name: digits", "name: digit\n  sed: 1")
    )
    violations = refused(written(tmp_path, text), "trainer.maxEpochs=0", "experiment.objective.type=minimize")
    assert [violation.partition(" is ")[0].partition(": unknown")[0] for violation in violations] == [
        '--set experiment.objective.type=minimize: experiment.objective.type: "minimize"',
        "--set trainer.maxEpochs=0: trainer.maxEpochs: 0",
        'x.yaml:3: experiment.maxTrialCount: "none"',
        "x.yaml:9: experiment.parameters[0].feasibleSpace.min: 0.5",
        "x.yaml:11: experiment.parameters[1].nam",
        "x.yaml:11: experiment.parameters[1].name:",
        'x.yaml:17: trainer.data.name: "digit"',
        "x.yaml:18: trainer.sed",
    ]
