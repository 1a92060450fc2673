"""What reading the Dockerfiles shows of the images. Each build checks the rest (tools/image-build)."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.support import ROOT

NAMES = ("server", "trainer")
MEMBERS = sorted(
    path.parent.relative_to(ROOT).as_posix()
    for folder in ("packages", "images")
    for path in ROOT.glob(f"{folder}/*/*.toml")
)

Step = tuple[str, str]


def found(pattern: str, path: Path) -> str:
    """The group of a pattern in a file."""
    match = re.search(pattern, path.read_text(), re.MULTILINE)
    assert match, f"{path} has no {pattern}"
    return match[1]


def steps(name: str) -> list[Step]:
    """Instruction and what follows it."""
    text = re.sub(r"^#.*\n", "", (ROOT / "images" / name / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def stages(name: str) -> dict[str, list[Step]]:
    """By name, in their order; the last one, which is the image, has none."""
    every = steps(name)
    begins = [index for index, (word, _) in enumerate(every) if word == "FROM"]
    parts = [every[begin:end] for begin, end in zip(begins, [*begins[1:], len(every)], strict=True)]
    return {part[0][1].partition(" AS ")[2]: part for part in parts}


def last_stage(name: str) -> list[Step]:
    return stages(name)[""]


def said(those: list[Step], word: str) -> list[str]:
    return [rest for instruction, rest in those if instruction == word]


def assigned(those: list[Step]) -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in said(those, "ENV") for pair in rest.split())


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    image: str = request.param
    return image


def test_an_image_has_a_user_that_kubernetes_can_tell_from_root(name: str) -> None:
    assert said(last_stage(name), "USER") == ["10001:10001"]


def test_an_image_writes_nothing_beside_tmp_and_finds_python(name: str) -> None:
    values = assigned(last_stage(name))
    assert values == {
        "PATH": "/opt/venv/bin:${PATH}",
        "HOME": "/tmp",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
    }


def test_an_image_holds_the_environment_alone_and_starts_what_the_chart_names(name: str) -> None:
    stage = last_stage(name)
    assert said(stage, "FROM") == ["dependencies"]
    assert said(stage, "COPY") == ["--from=packages /wheels /opt/wheels"]
    assert said(stage, "ENTRYPOINT") == []
    assert said(stage, "CMD") == [f'["python", "-m", "atelier_{name}", "--help"]']


@pytest.mark.parametrize(
    ("stage", "source", "what"),
    [("dependencies", "--from=lock /locked.txt", "/opt/locked.txt"), ("", "/wheels", "/opt/wheels/*.whl")],
)
def test_a_change_of_the_lock_or_of_our_code_is_not_answered_from_a_cache(
    name: str, stage: str, source: str, what: str
) -> None:
    """buildah's cache of a RUN looks at what was copied before it, and not into what is only mounted."""
    those = stages(name)[stage]
    copied = next(index for index, (word, rest) in enumerate(those) if word == "COPY" and source in rest)
    installed = next(index for index, (word, rest) in enumerate(those) if word == "RUN" and what in rest)
    assert copied < installed


def test_what_is_locked_is_on_the_builders_disk_once(name: str) -> None:
    """It is 6 GB with CUDA: a copy out of another stage is a second layer, and its making a third and a fourth."""
    [installed] = [
        one for one, those in stages(name).items() if any("/opt/locked.txt" in rest for rest in said(those, "RUN"))
    ]
    assert said(stages(name)[installed], "FROM") == [f"${{BASE}} AS {installed}"]
    assert not any("/opt/venv" in rest for rest in said(steps(name), "COPY"))


def test_the_build_checks_the_image_as_its_user(name: str) -> None:
    stage = last_stage(name)
    words = [word for word, _ in stage]
    runs = [(index, rest) for index, (word, rest) in enumerate(stage) if word == "RUN"]
    [(checked, command)] = [(index, rest) for index, rest in runs if "check.py" in rest]
    assert checked > words.index("USER")
    assert f"python -m atelier_{name} --help" in command


def test_the_server_is_small_and_without_what_trains() -> None:
    [command] = [rest for rest in said(last_stage("server"), "RUN") if "check.py" in rest]
    assert "--at-most 400 --lacks torch --lacks optuna --lacks sklearn " in command


def test_an_image_says_where_it_comes_from(name: str) -> None:
    [labels] = said(last_stage(name), "LABEL")
    described = tomllib.loads((ROOT / "images" / name / "pyproject.toml").read_text())["project"]["description"]
    source = found(r"^home: (.+)$", ROOT / "charts/katib-nas-atelier/Chart.yaml")
    assert dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', labels)) == {
        "title": f"Katib NAS Atelier: {name}",
        "description": described,
        "licenses": "Apache-2.0",
        "source": source,
        "version": "${VERSION}",
        "revision": "${REVISION}",
    }


def test_everything_is_installed_as_locked(name: str) -> None:
    """The lock is checked against every member's pyproject.toml, so all of them have to be there."""
    every = steps(name)
    copied = {rest.split()[0] for rest in said(every, "COPY")}
    assert {f"{member}/pyproject.toml" for member in MEMBERS} | {"pyproject.toml"} <= copied
    [export] = [rest for rest in said(every, "RUN") if " export " in rest]
    assert "--locked" in export and "--no-dev" in export and f"--package atelier-{name}" in export
    installs = " ".join(said(every, "RUN"))
    assert "--require-hashes --requirements /opt/locked.txt" in installs
    assert "uv pip check" in installs


def test_torch_of_another_index_has_the_locked_version_and_the_rest_stays_locked() -> None:
    runs = said(stages("trainer")["dependencies"], "RUN")
    assert "--require-hashes --requirements /opt/without-torch.txt" in runs[0]
    assert '[ -n "${TORCH_INDEX}" ]' in runs[1]
    install = runs[2]
    assert """--no-deps --default-index "${TORCH_INDEX}" "$(grep -o '^torch==[^ ;]*' /opt/locked.txt)\"""" in install
    assert "--constraints /opt/locked.txt torch" in install


def test_every_download_trusts_the_bundle_that_was_given(name: str) -> None:
    for command in said(steps(name), "RUN"):
        if re.search(r"pip install|uv build|\$UV build", command) and "--offline" not in command:
            assert command.startswith("--mount=type=secret,id=ca ")
            downloads = re.split(r" && |; (?:else|then)|then ", command.partition(" ")[2])
            assert all(
                "with-ca" in one or '"$@"' in one for one in downloads if re.search(r"pip install|\$UV build", one)
            )


def test_both_images_begin_alike(name: str) -> None:
    """One base and one uv: layers are shared, and no image is built by another uv than the rest of the project."""
    beginnings = {one: steps(one)[: steps(one).index(stages(one)["lock"][0])] for one in NAMES}
    assert beginnings["server"] == beginnings["trainer"]
    arguments = dict(rest.split("=", 1) for rest in said(beginnings[name], "ARG") if "=" in rest)
    assert arguments["BASE"].startswith("docker.io/library/python:")
    assert arguments["UV_VERSION"] == found(r"^UV_VERSION := (.+)$", ROOT / "Makefile")


def test_a_mirror_is_asked_in_every_stage(name: str) -> None:
    """An argument of a stage ends with it; its environment goes on in the stages that begin with it."""
    those = stages(name)
    assert assigned(those["tools"])["UV_DEFAULT_INDEX"] == "${UV_DEFAULT_INDEX}"
    begun = {one for one, stage in those.items() if said(stage, "FROM")[0].startswith("tools ")}
    assert begun == those.keys() - {"tools", "dependencies", ""}
    assert "UV_DEFAULT_INDEX" in said(those["dependencies"], "ARG")
    assert not any("with-ca" in rest for rest in said(those[""], "RUN"))


def test_what_a_build_copies_travels_and_nothing_else_does(name: str) -> None:
    listed = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert listed[0] == "*"
    allowed = {Path(line[1:]) for line in listed if line.startswith("!")}
    copied = {Path(part) for rest in said(steps(name), "COPY") if "--from" not in rest for part in rest.split()[:-1]}
    mounted = {Path(one) for rest in said(steps(name), "RUN") for one in re.findall(r"type=bind,source=([^,]+)", rest)}
    assert copied | mounted
    for path in copied | mounted:
        assert (ROOT / path).exists()
        assert any(path.is_relative_to(one) for one in allowed), f"{path} is kept out by .dockerignore"
