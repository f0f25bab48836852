# shellcheck shell=bash
# Installs Debian packages, only those that are missing, and never lets one start a service.

PACKAGES_MISSING=()

# A thing is looked for by what is used of it, not by its package: Docker's own docker-ce, say, has a
# dockerd as well and must not be replaced.
need_command() { # need_command COMMAND PACKAGE
    PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null || PACKAGES_MISSING+=("$2")
}

need_library() { # need_library PKG-CONFIG-NAME PACKAGE
    pkg-config --exists "$1" 2>/dev/null || PACKAGES_MISSING+=("$2")
}

need_file() { # need_file PATH PACKAGE
    [ -e "$1" ] || PACKAGES_MISSING+=("$2")
}

need_python() { # need_python MODULE PACKAGE: of Debian's python3, whatever comes first in PATH
    /usr/bin/python3 -c "import $1" 2>/dev/null || PACKAGES_MISSING+=("$2")
}

need_compiler() {
    need_command gcc gcc
    need_file /usr/include/stdio.h libc6-dev
    need_command meson meson
    need_command ninja ninja-build
    need_command pkg-config pkg-config
    need_library libcurl libcurl4-openssl-dev
    need_library libcjson libcjson-dev
    need_library libuv libuv1-dev
    need_library yaml-0.1 libyaml-dev
    need_file /usr/include/uthash.h uthash-dev
}

need_engine() {
    need_command dockerd docker.io
    need_command docker docker.io
    need_command iptables iptables
    need_command ip iproute2
    need_command busybox busybox-static
    need_command curl curl
    if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then
        need_command apparmor_parser apparmor
    fi
}

need_nginx() {
    need_command nginx nginx-light
}

# Built in, as in nginx.org's own package, or a module beside it.
need_nginx_stream() {
    local words
    words=$(PATH=$PATH:/usr/sbin:/sbin nginx -V 2>&1) || words=
    case " $words " in
    *' --with-stream '*) ;;
    *) need_file /usr/lib/nginx/modules/ngx_stream_module.so libnginx-mod-stream ;;
    esac
}

packages_install() { # packages_install LOG: what need_* found missing; 1 with the reason in LOG
    local log=$1 policy=/usr/sbin/policy-rc.d
    [ ${#PACKAGES_MISSING[@]} -gt 0 ] || return 0
    mapfile -t PACKAGES_MISSING < <(printf '%s\n' "${PACKAGES_MISSING[@]}" | sort -u)
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing: ${PACKAGES_MISSING[*]}; installing them needs root" >"$log"
        return 1
    fi
    if ! command -v apt-get >/dev/null; then
        echo "missing: ${PACKAGES_MISSING[*]}; no apt-get here" >"$log"
        return 1
    fi
    (
        # Packages with a daemon would start it; here nothing runs but what is asked for.
        if [ ! -e "$policy" ]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' >"$policy"
            chmod 755 "$policy"
        fi
        # The second try: lists that are absent, or older than the archive.
        packages_apt || { apt-get -q update && packages_apt; }
    ) >"$log" 2>&1
}

packages_apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=120 install "${PACKAGES_MISSING[@]}"
}
