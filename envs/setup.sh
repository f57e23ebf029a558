# Sourced by run, run-tests and the container: system packages and the locked Python environment
# in .venv, each installed only where missing. Needs nothing but a Debian or Ubuntu base system.

venv=${MOIREPOL_VENV:-.venv} # a container has its environment outside of the project

# What the caller's shell may contain and Python must not see. Text files are UTF-8 in every locale.
unset "${!PYTHON@}"
export PYTHONUTF8=1 PYTHONNOUSERSITE=1
# Snakemake and pip need a folder for caches, also for a user without a home folder.
mkdir -p "${XDG_CACHE_HOME:-${HOME:-/dev/null}/.cache}" 2>/dev/null ||
    export XDG_CACHE_HOME="${TMPDIR:-/tmp}/moirepol-cache-$(id -u)"

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

python_fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
}

find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11; do
        if python_fits "$name"; then command -v "$name"; return; fi
    done
    return 1
}

install_packages() { # the packages given; status 1 where that is impossible
    local root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || return 1
        root=(sudo)
    fi
    command -v apt-get >/dev/null || return 1
    say "Installing $* (apt)"
    "${root[@]}" apt-get -qq update >/dev/null &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes \
            --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >/dev/null
}

setup_python() {
    local python
    [ "$(uname -sm)" = "Linux x86_64" ] ||
        fail "the locked environment is for Linux on x86_64, this is $(uname -sm)"
    python=$(find_python) || { install_packages python3 && python=$(find_python); } ||
        fail "Python 3.11, 3.12 or 3.13 is needed, found $(python3 --version 2>&1 | tail -n 1)"
    "$python" -c 'import venv, ensurepip' 2>/dev/null || install_packages python3-venv ||
        fail "Python's venv module is missing: apt install python3-venv"

    if ! is_installed requirements.lock; then
        [ -w . ] || fail "$PWD cannot be written, and its .venv is missing or not current:" \
            "call run once as a user who can write there"
        replace_environment "$python"
    fi
    PATH="$(cd "$venv" && pwd)/bin:$PATH"
    export PATH PYTHONNOUSERSITE=1
}

replace_environment() { # an environment that was complete stays until the new one is
    if [ -e "$venv/.requirements" ]; then
        rm -rf "$venv.old"
        mv "$venv" "$venv.old"
    fi
    if ! { "$1" -m venv --clear "$venv" && (install_lock requirements.lock "2 GB, a few minutes"); }; then
        if [ -e "$venv.old" ]; then
            mv "$venv/pip.log" "$venv.old" 2>/dev/null
            rm -rf "$venv"
            mv "$venv.old" "$venv"
        fi
        exit 1
    fi
    rm -rf "$venv.old"
}

is_installed() { # whether the environment has the packages of a lock
    cmp -s "$1" "$venv/.${1%.lock}"
}

install_lock() { # a lock, and the words on what that takes
    local total
    total=$(grep -c '^[^# ]' "$1")
    say "Installing $total Python packages into $venv ($2)"
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --require-hashes \
        -r "$1" 2>&1 | tee "$venv/pip.log" | show_pip "$total" ||
        fail "pip could not install $1; all its words are in $venv/pip.log"
    cp "$1" "$venv/.${1%.lock}"
}

show_pip() { # a counter of the $1 packages, and pip's own words where it fails
    awk -v total="$1" '
        /^(Collecting|Processing) /      { printf "\r  %3d/%d %s\033[K", ++n, total, $2 }
        /^Installing collected packages/ { printf "\r  installing\033[K" }
        /^ *(ERROR|error)/               { printf "\r\033[K%s\n", $0 }
        { fflush() }
        END { printf "\r\033[K" }' >&2
}

setup_site() ( # only the documentation site needs these packages
    flock 9
    is_installed requirements-docs.lock ||
        install_lock requirements-docs.lock "for the documentation site"
    command -v dot >/dev/null || install_packages graphviz ||
        say "Not installed: graphviz. The documentation site has no graph of the rules."
) 9<requirements-docs.lock

setup_labels() { # only new labels need these programs
    local missing=()
    command -v git >/dev/null || missing+=(git)
    command -v pw.x >/dev/null && command -v pw2wannier90.x >/dev/null ||
        missing+=(quantum-espresso)
    [ -n "${ESPRESSO_PSEUDO:-}" ] || [ -d /usr/share/espresso/pseudo ] ||
        missing+=(quantum-espresso-data)
    command -v wannier90.x >/dev/null || missing+=(wannier90)
    # Debian's reference BLAS makes the larger cells several times slower.
    ls /usr/lib/*/openblas-*/libblas.so.3 >/dev/null 2>&1 || missing+=(libopenblas0-serial)
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}" ||
        say "Not installed: ${missing[*]}. Shipped labels still work, new ones cannot be computed."
}

exec 9<requirements.lock
# Two at once: the second waits for the set-up of the first. Some file systems have no locks.
flock 9 2>/dev/null || true
setup_labels
setup_python
exec 9<&-
