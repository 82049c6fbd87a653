"""Servers that are published as Go modules, built once from a pinned version and kept in build/servers/."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.servers.machine import program
from tests.support.product import ROOT
from tests.support.programs import GO

KEPT = ROOT / "build" / "servers"
STAND_INS = ROOT / "tests" / "servers" / "traefik"
OAUTH2_PROXY = ("github.com/oauth2-proxy/oauth2-proxy/v7", "v7.15.6")
TRAEFIK = ("github.com/traefik/traefik/v3", "v3.7.13")
LEGO = "github.com/go-acme/lego/v5"
PATIENCE = 1800  # seconds for one build; about 60 and 290 on two free cores


def oauth2_proxy() -> str:
    return _kept("oauth2-proxy", OAUTH2_PROXY, lambda source: (source, "."))


def traefik() -> str:
    return _kept("traefik", TRAEFIK, lambda source: (_completed(source), "./cmd/traefik"))


def _kept(name: str, module: tuple[str, str], prepared) -> str:
    """Path of the program. prepared: from a writable copy of the module to (folder to build in, package)."""
    go, built = program(GO), KEPT / f"{name}-{module[1]}"
    if built.exists():
        return str(built)
    with tempfile.TemporaryDirectory(prefix="massar-go-") as folder:
        copy = Path(folder) / "source"
        _copied(go, module, Path(folder), copy)
        place, package = prepared(copy)
        made = Path(folder) / name
        _run([go, "build", "-mod=mod", "-trimpath", "-ldflags", "-s -w", "-o", str(made), package], place)
        KEPT.mkdir(parents=True, exist_ok=True)
        shutil.move(made, built)
    return str(built)


def _copied(go: str, module: tuple[str, str], folder: Path, to: Path) -> None:
    found = json.loads(_run([go, "mod", "download", "-json", "@".join(module)], folder))
    shutil.copytree(found["Dir"], to, copy_function=shutil.copyfile)
    for place in (to, *(one for one in to.rglob("*") if one.is_dir())):
        place.chmod(0o755)


def _completed(source: Path) -> Path:
    """Traefik's module with what is not served replaced (tests/servers/traefik/README.md)."""
    go = program(GO)
    _module(source / "pkg" / "config" / "dynamic" / "ext", "github.com/traefik/traefik/dynamic/ext", "ext.go")
    auth, lego = source.parent / "auth", source.parent / "lego"
    _module(auth, "github.com/abbot/go-http-auth", "auth.go")
    version = _run([go, "list", "-mod=mod", "-m", "-f", "{{.Version}}", LEGO], source).strip()
    _copied(go, (LEGO, version), source.parent, lego)
    shutil.copy(STAND_INS / "dns.go.txt", lego / "providers" / "dns" / "zz_gen_dns_providers.go")
    _run([go, "mod", "edit", f"-replace=github.com/abbot/go-http-auth={auth}", f"-replace={LEGO}={lego}"], source)
    return source


def _module(folder: Path, name: str, file: str) -> None:
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text(f"module {name}\n\ngo 1.26.0\n")
    shutil.copy(STAND_INS / f"{file}.txt", folder / file)


def _run(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "CGO_ENABLED": "0"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        pytest.fail(f"{' '.join(command[:3])}: {done.stderr[-3000:]}")
    return done.stdout
