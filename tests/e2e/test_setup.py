"""How tests/setup and the quick start come to a Consul, with an apt-get that only plays its part."""
import os
import subprocess

import pytest

from rig.engine import TOP
from rig.tidewaiter import clean_environment

FAKE_APT_GET = r"""#!/bin/bash
echo "$*" >>"$FAKE/calls"
for word; do
    case $word in
    indextargets) cat "$FAKE/targets" ;;
    update)
        sources=$(sed -n 's/.*sourcelist=\([^ ]*\).*/\1/p' <<<"$*")
        [ -z "$sources" ] || cp "$sources" "$(dirname "$sources")/preferences" "$FAKE"
        [ ! -e "$FAKE/no-suite" ] || { echo "E: no Release file"; exit 100; } ;;
    download) [ ! -e "$FAKE/no-package" ] && : >consul_1.8.7_all.deb ;;
    install) exit 100 ;;
    *) continue ;;
    esac
    exit
done
"""


@pytest.fixture
def fake(tmp_path):
    """A folder of commands: all that the machine has, but for Consul, and with the apt-get above."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for folder in ("/usr/sbin", "/usr/bin"):
        for command in os.listdir(folder):
            if command not in ("consul", "apt-get", "apt-cache", "id") and not (commands / command).exists():
                (commands / command).symlink_to(f"{folder}/{command}")
    for name, text in (("apt-get", FAKE_APT_GET), ("apt-cache", "#!/bin/sh\n"), ("id", "#!/bin/sh\necho 0\n")):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    return tmp_path


def run(fake, *argv, **env):
    env = clean_environment(PATH=str(fake / "bin"), FAKE=str(fake), TMPDIR=str(fake), **env)
    return subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


def install(fake):
    """consul_install; that of packages shows what it was given."""
    return run(fake, "bash", "-euc", f"""
        . {TOP}/contrib/lib/packages.sh
        . {TOP}/contrib/lib/consul.sh
        packages_install() {{ echo "would install ${{PACKAGES_MISSING[*]##*/}}"; }}
        consul_install {fake}/log || echo "not: $CONSUL_WHY_NOT" """).stdout.strip()


def calls(fake):
    path = fake / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_what_is_there_is_used(fake):
    (fake / "bin" / "consul").write_text("")
    (fake / "bin" / "consul").chmod(0o755)
    assert install(fake) == ""
    assert calls(fake) == []


def test_from_the_mirror_and_with_the_keys_of_the_machines_own_source(fake):
    sources = fake / "own.sources"
    sources.write_text("# ours\n\nTypes: deb\nURIs: http://other.example/x\nSuites: other\n\n"
                       "Types: deb\nURIs: http://packages.example/debian\nSuites: bookworm\n"
                       "Signed-By: /usr/share/keyrings/a.gpg\n")
    (fake / "targets").write_text(
        f"Other bookworm http://other.example/x/ {sources}:1\n"
        f"Debian bookworm-updates http://packages.example/updates/ {sources}:2\n"
        f"Debian bookworm http://packages.example/debian/ {sources}:2\n")
    assert install(fake) == "would install consul_1.8.7_all.deb"
    assert (fake / "sources.list").read_text() == (
        "deb [signed-by=/usr/share/keyrings/a.gpg] http://packages.example/debian/ bullseye main\n")
    # Nothing else comes from there, and the machine's own lists and sources are not even looked at.
    assert (fake / "preferences").read_text().split("\n\n") == [
        "Package: *\nPin: release n=bullseye\nPin-Priority: -1",
        "Package: consul\nPin: release n=bullseye\nPin-Priority: 500\n"]
    for call in calls(fake)[1:]:
        for option in ("Dir::Etc::sourcelist", "Dir::Etc::sourceparts", "Dir::Etc::preferences",
                       "Dir::Etc::preferencesparts", "Dir::State::lists", "Dir::Cache"):
            assert f"-o {option}={fake}/tmp." in call, call
    # The temporary folder is gone.
    assert not list(fake.glob("tmp.*"))


def test_a_one_line_source(fake):
    sources = fake / "sources.list.own"
    sources.write_text("# ours\ndeb [arch=amd64 signed-by=/k.gpg] http://packages.example/debian bookworm main\n")
    (fake / "targets").write_text(f"Debian trixie http://packages.example/debian/ {sources}:2\n")
    assert install(fake) == "would install consul_1.8.7_all.deb"
    assert (fake / "sources.list").read_text() == (
        "deb [signed-by=/k.gpg] http://packages.example/debian/ bullseye main\n")


@pytest.mark.parametrize("targets, without, said", [
    ("", None, "not: no source of Debian 12 or later among apt's"),
    ("Ubuntu noble http://packages.example/u/ /x:1\n", None,
     "not: no source of Debian 12 or later among apt's"),
    ("Debian bookworm http://packages.example/debian/ /x:1\n", "no-suite",
     "not: suite bullseye cannot be read from the mirror that apt's sources name"),
    ("Debian bookworm http://packages.example/debian/ /x:1\n", "no-package",
     "not: no package consul in suite bullseye"),
])
def test_why_it_cannot_be_had(fake, targets, without, said):
    (fake / "targets").write_text(targets)
    if without:
        (fake / without).touch()
    assert install(fake) == said
    assert not any("install" in call.split() for call in calls(fake))


def test_setup_goes_on_without(fake):
    """All else is there, or tests/setup would not have let these tests run."""
    (fake / "targets").write_text("Debian bookworm http://packages.example/debian/ /x:1\n")
    (fake / "no-suite").touch()
    why = "suite bullseye cannot be read from the mirror that apt's sources name"
    done = run(fake, f"{TOP}/tests/setup", SETUP_NOTES=str(fake / "notes"))
    assert done.returncode == 0, done.stdout
    assert f"Consul is not available: {why}; its tests are skipped" in done.stdout, done.stdout
    assert (fake / "notes").read_text() == f"Consul is not available: {why}\n"
