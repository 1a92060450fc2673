"""Coverage is printed for each room."""

from __future__ import annotations

from tools.coverage_rooms import rooms


def file(statements: int, covered: int, branches: int = 0, taken: int = 0) -> dict[str, dict[str, int]]:
    return {
        "summary": {
            "num_statements": statements,
            "covered_lines": covered,
            "num_branches": branches,
            "covered_branches": taken,
        }
    }


def test_a_room_counts_the_files_of_its_folders_and_a_package_those_outside_rooms() -> None:
    source = "images/server/src/atelier_server"
    report = {
        "files": {
            f"{source}/__main__.py": file(10, 5),
            f"{source}/web/app.py": file(6, 6),
            f"{source}/web/openapi/schemas.py": file(2, 0, branches=2, taken=0),
            f"{source}/models/__init__.py": file(0, 0),
        }
    }
    assert rooms(report) == {"all": 55.0, "atelier_server": 50.0, "atelier_server.web": 60.0}
