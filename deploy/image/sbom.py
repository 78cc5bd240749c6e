#!/usr/bin/env python3
"""Prints the bill of materials of the program as CycloneDX 1.5, and copies the licences of its crates.

The crates are those that `cargo metadata` resolves for the program on Linux, without what only tests or builds need.
Where the sources of a crate bring no licence file, its licence is the SPDX expression in the bill.
"""

import argparse
import json
import os
import shutil
import subprocess
from collections import deque
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
TARGET = f"{os.uname().machine}-unknown-linux-gnu"
LICENSE_FILES = ("license", "licence", "copying", "notice", "copyright", "unlicense")


def metadata():
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={TARGET}"]
    output = subprocess.run(command, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE).stdout
    return json.loads(output)


def linked(found):
    """The packages that the program is made of, its own first."""
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    root = found["resolve"]["root"]
    seen, queue = {root: packages[root]}, deque([root])
    while queue:
        for dependency in nodes[queue.popleft()]["deps"]:
            package = packages[dependency["pkg"]]
            macro = any("proc-macro" in target["kind"] for target in package["targets"])
            normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if normal and not macro and package["id"] not in seen:
                seen[package["id"]] = package
                queue.append(package["id"])
    return list(seen.values())


def crate(package):
    name, version = package["name"], package["version"]
    component = {
        "type": "library",
        "bom-ref": f"pkg:cargo/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:cargo/{name}@{version}",
    }
    if package["license"]:
        component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if package["source"]:
        component["externalReferences"] = [{"type": "distribution", "url": f"https://crates.io/crates/{name}/{version}"}]
    return component


def debian(name):
    command = ["dpkg-query", "--show", "--showformat=${Version} ${Architecture}", name]
    version, architecture = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={architecture}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def copy_licenses(package, folder):
    source = Path(package["manifest_path"]).parent
    for file in source.iterdir():
        if file.is_file() and file.name.lower().startswith(LICENSE_FILES):
            target = folder / f"{package['name']}-{package['version']}"
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target / file.name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--licenses", type=Path, help="the folder to copy the crates' licences to")
    parser.add_argument("--debian", nargs="*", default=[], help="Debian packages that are in the image too")
    options = parser.parse_args()
    packages = linked(metadata())
    if options.licenses:
        for package in packages:
            if package["source"]:
                copy_licenses(package, options.licenses)
    program, *crates = packages
    components = sorted((crate(package) for package in crates), key=lambda component: component["bom-ref"])
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**crate(program), "type": "application"}},
        "components": components + [debian(name) for name in options.debian],
    }
    print(json.dumps(bill, indent=1))


if __name__ == "__main__":
    main()
