"""The command line: python -m tools.cluster, in the checkout's root."""

from __future__ import annotations

import argparse
import sys

from . import lifecycle, report
from .obstacles import FOR_IMAGES, need_room, refuse
from .steps import Failure, show
from .transfer import any_missing


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start everything; what runs stays")
    down = commands.add_parser("down", help="stop what up started and put the machine back")
    down.add_argument("--all", action="store_true", help="remove binaries, images and logs as well")
    commands.add_parser("status", help="what runs, or what was left")
    load = commands.add_parser("load", help="bring images of docker, podman or buildah into the cluster")
    load.add_argument("images", nargs="+", metavar="IMAGE")
    room = commands.add_parser("room", help="fail unless the disk has room for the cluster and images yet to be built")
    room.add_argument("images", nargs="*", metavar="IMAGE")
    commands.add_parser("base", help="make the base image and give it to docker, podman or buildah")
    arguments = parser.parse_args(words)
    try:
        match arguments.command:
            case "up":
                lifecycle.up()
            case "down":
                lifecycle.down(everything=arguments.all)
            case "status":
                report.status()
            case "load":
                lifecycle.load(arguments.images)
            case "room":
                refuse(*need_room(FOR_IMAGES if any_missing(arguments.images) else 0))
            case "base":
                lifecycle.base()
    except Failure as failure:
        show(failure)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
