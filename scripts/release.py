"""`python3 -m scripts.release values|pin|collect`: a release's images by digest, from its list `images.txt`.

A line of the list is `NAME PREFIX/NAME:TAG@sha256:DIGEST`; the workflow that pushes the images writes it, and
`llm-cpu` is the variant of `llm` for a CPU. `values` tells Helm of them; `pin` passes manifests through and
names our images in them by digest: a tag may be moved, what was tried in staging is what production gets.
Where the model server of the list has all questions already, `pin --live` leaves them to it: KServe would
take a share of 10 % for a roll-back, and give 90 % to the release before. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.bootstrap import Refusal

# Those that the chart knows; `predict` is run by hand.
_CHART = ("gateway", "worker", "embeddings", "ui", "bot", "llm")
_NAMES = (*_CHART, "predict", "llm-cpu")
_LINE = re.compile(
    r"(?P<name>[a-z-]+) (?P<prefix>[a-z0-9./:_-]+)/(?P<image>[a-z]+):(?P<tag>[\w.-]+)"
    r"@(?P<digest>sha256:[0-9a-f]{64})"
)
_SHARE = re.compile(r"^(?P<before> *canaryTrafficPercent: *)\d+(?P<after> *)$", re.MULTILINE)
_IMAGE = re.compile(
    r"""^(?P<before>[ -]*image: *)["']?(?P<image>[^\s"']+)["']?(?P<after> *)$""", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Image:
    prefix: str
    image: str
    tag: str
    digest: str

    def __str__(self) -> str:
        return f"{self.prefix}/{self.image}:{self.tag}@{self.digest}"


def read(text: str) -> Mapping[str, Image]:
    """By name. Raises Refusal for lines that are none, a name twice, an image that lacks or is another's."""
    found: dict[str, Image] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line.strip())
        if match is None or match["name"] not in _NAMES or match["name"] in found:
            raise Refusal(f"Line {number} of the list is not an image of this project, or says one twice.")
        if match["image"] != match["name"].removesuffix("-cpu"):
            raise Refusal(f"Line {number} of the list gives {match['name']} the image of another.")
        found[match["name"]] = Image(match["prefix"], match["image"], match["tag"], match["digest"])
    if missing := [name for name in _NAMES if name not in found]:
        raise Refusal(f"The list lacks {', '.join(missing)}.")
    if len({image.prefix for image in found.values()}) > 1:
        raise Refusal("The images are not all of one place.")
    if len({f"{image.tag}-cpu" if name != "llm-cpu" else image.tag for name, image in found.items()}) > 1:
        raise Refusal("The images are not all of one release.")
    return found


def values(images: Mapping[str, Image]) -> dict[str, Any]:
    """What Helm is told."""
    gateway = images["gateway"]
    own = {name: {"tag": images[name].tag, "digest": images[name].digest} for name in _CHART}
    return {"images": {"prefix": gateway.prefix, "tag": gateway.tag, "own": own}}


def pinned(manifests: str, images: Mapping[str, Image], *, cpu: bool) -> str:
    """The same with our images by digest. Raises Refusal where there is none, or one that is not ours."""
    count = 0

    def by_digest(match: re.Match[str]) -> str:
        nonlocal count
        name = match["image"].partition("@")[0].rpartition("/")[2].partition(":")[0]
        if name not in images:
            raise Refusal(f"{match['image']} is no image of this project.")
        count += 1
        return f"{match['before']}{images['llm-cpu' if cpu and name == 'llm' else name]}{match['after']}"

    told = _IMAGE.sub(by_digest, manifests)
    if not count:
        raise Refusal("The manifests name no image.")
    return told


def settled(live: Mapping[str, Any], image: Image) -> bool:
    """Whether this InferenceService, as the cluster tells it, has given that image all questions already."""
    containers = live.get("spec", {}).get("predictor", {}).get("containers", [])
    seen = live.get("status", {}).get("components", {}).get("predictor", {})
    rolled_out = seen.get("latestRolledoutRevision")
    served = any(one.get("image") == str(image) for one in containers)
    return served and rolled_out is not None and rolled_out == seen.get("latestCreatedRevision")


def undivided(manifests: str) -> str:
    return _SHARE.sub(r"\g<before>100\g<after>", manifests)


def collected(folder: Path) -> str:
    """A list of the files that the jobs of a release left, one line each. Raises Refusal."""
    lines = sorted(file.read_text("utf-8").strip() for file in folder.rglob("*.txt"))
    read("\n".join(lines))
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts.release", description=__doc__)
    parser.add_argument("what", choices=["values", "pin", "collect"])
    parser.add_argument("source", type=Path, help="images.txt, or the folder of its lines")
    parser.add_argument("--cpu", action="store_true", help="the model server's image for a CPU")
    parser.add_argument("--release", default="", metavar="vX.Y.Z", help="the list must be of this one")
    parser.add_argument("--live", type=Path, help="grader-llm as `kubectl get -o json` tells it, or empty")
    options = parser.parse_args(arguments)
    try:
        if options.what == "collect":
            sys.stdout.write(collected(options.source))
            return 0
        images = read(options.source.read_text("utf-8"))
        if options.release and images["gateway"].tag != options.release.removeprefix("v"):
            raise Refusal(f"The list is of {images['gateway'].tag}, not of {options.release}.")
        if options.what == "values":
            print(json.dumps(values(images), indent=2))
        else:
            told = pinned(sys.stdin.read(), images, cpu=options.cpu)
            live = json.loads((options.live and options.live.read_text("utf-8").strip()) or "{}")
            there = settled(live, images["llm-cpu" if options.cpu else "llm"])
            sys.stdout.write(undivided(told) if there else told)
    except (Refusal, OSError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
