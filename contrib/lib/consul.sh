# shellcheck shell=bash
# Installs Consul where the machine's own suite has none, as Debian 12: from Debian 11, whose package
# runs there, at the mirror that the machine's sources already name and signed by the same keys. apt
# reads that suite with a configuration of its own, in which nothing but Consul may come from there; what
# Consul needs comes from the machine's own sources, and these stay as they are.
#
# After packages.sh.

CONSUL_SUITE=${CONSUL_SUITE:-bullseye}
CONSUL_WHY_NOT=

consul_there() {
    PATH=$PATH:/usr/sbin:/sbin command -v consul >/dev/null
}

consul_install() { # consul_install LOG: 1 where it cannot be had, with the reason in CONSUL_WHY_NOT
    local log=$1 folder
    CONSUL_WHY_NOT=
    consul_there && return
    if [ "$(id -u)" -ne 0 ]; then
        CONSUL_WHY_NOT='installing it needs root'
    elif ! command -v apt-get >/dev/null; then
        CONSUL_WHY_NOT='no apt-get here'
    elif [ -n "$(apt-cache --names-only search '^consul$' 2>/dev/null)" ]; then
        PACKAGES_MISSING=(consul)
        packages_install "$log" || CONSUL_WHY_NOT='its package does not install'
    else
        folder=$(mktemp -d)
        chmod 755 "$folder" # apt fetches as somebody else
        if consul_fetch "$folder" >"$log" 2>&1; then
            # shellcheck disable=SC2034 # packages_install reads it
            PACKAGES_MISSING=("$folder"/consul_*.deb)
            packages_install "$log" || CONSUL_WHY_NOT="its package from $CONSUL_SUITE does not install"
        fi
        rm -rf "$folder"
    fi
    [ -z "$CONSUL_WHY_NOT" ]
}

consul_fetch() { # consul_fetch FOLDER: its package into FOLDER
    local folder=$1 source
    # A machine that never listed packages knows no codename of its sources.
    source=$(consul_source) || { apt-get -q update && source=$(consul_source); } || {
        CONSUL_WHY_NOT="no source of Debian 12 or later among apt's"
        return 1
    }
    printf '%s\n' "$source" >"$folder/sources.list"
    printf 'Package: *\nPin: release n=%s\nPin-Priority: -1\n\n' "$CONSUL_SUITE" >"$folder/preferences"
    printf 'Package: consul\nPin: release n=%s\nPin-Priority: 500\n' "$CONSUL_SUITE" >>"$folder/preferences"
    mkdir -p "$folder/none" "$folder/lists/partial" "$folder/cache/archives/partial"
    # Error-Mode: a suite that is not there is otherwise a warning only.
    if ! consul_apt "$folder" -o APT::Update::Error-Mode=any update; then
        CONSUL_WHY_NOT="suite $CONSUL_SUITE cannot be read from the mirror that apt's sources name"
        return 1
    fi
    if ! (cd "$folder" && consul_apt "$folder" download consul); then
        CONSUL_WHY_NOT="no package consul in suite $CONSUL_SUITE"
        return 1
    fi
}

consul_apt() { # consul_apt FOLDER ARGUMENTS…: apt-get that knows the sources of FOLDER alone
    local folder=$1
    shift
    apt-get -q -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts="$folder/none" \
        -o Dir::Etc::preferences="$folder/preferences" -o Dir::Etc::preferencesparts="$folder/none" \
        -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache" "$@"
}

consul_source() { # prints the line of the suite for sources.list; 1 where no mirror of Debian is known
    # shellcheck disable=SC2016 # the names are apt's
    local format='$(ORIGIN) $(CODENAME) $(REPO_URI) $(SOURCESENTRY)'
    local origin codename uri entry keyring
    while read -r origin codename uri entry; do
        [ "$origin" = Debian ] || continue
        case $codename in
        bookworm | trixie | forky | duke | sid) ;;
        *) continue ;; # those before have it themselves; -updates and -security are no suites of their own
        esac
        keyring=$(consul_keyring "$entry")
        echo "deb ${keyring:+[signed-by=$keyring] }$uri $CONSUL_SUITE main"
        return
    done < <(apt-get indextargets --format "$format" 'Identifier: Packages' 2>/dev/null)
    return 1
}

consul_keyring() { # consul_keyring FILE:NUMBER: the keyring that this entry of apt's sources names, if any
    local file=${1%:*} number=${1##*:}
    case $file in
    *.sources) awk -v number="$number" 'BEGIN { RS = "" } /(^|\n)Types:/ && ++n == number' "$file" |
        sed -n 's/^[Ss]igned-[Bb]y:[[:space:]]*\(\/[^[:space:]]*\).*/\1/p' ;;
    *) sed -n "${number}s/.*signed-by=\([^] ]*\).*/\1/p" "$file" ;;
    esac
}
