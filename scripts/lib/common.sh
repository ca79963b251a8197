# shellcheck shell=bash
# What every script shares: where the repository is, and how to talk to whoever started it.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
export PYTHONDONTWRITEBYTECODE=1

# Targets whose sources are generated: no lint and no length limit applies to them.
# shellcheck disable=SC2034  # Read by the scripts that source this file.
generated_targets=(EnvoyAPI MeridianAPI GRPCAPI InteropAPI)

if [[ -t 1 && -z "${NO_COLOR:-}" && "${TERM:-dumb}" != dumb ]]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
    bold='' dim='' red='' green='' plain=''
fi

# Says what happens next.
step() { printf '%s▸ %s%s\n' "$bold" "$*" "$plain"; }

# Says that something is as it should be.
good() { printf '%s✓%s %s\n' "$green" "$plain" "$*"; }

# Says something that needs no action.
note() { printf '%s  %s%s\n' "$dim" "$*" "$plain"; }

# Says what is wrong, and goes on.
complain() { printf '%s✗ %s%s\n' "$red" "$*" "$plain" >&2; }

# Says what is wrong, and stops.
fail() {
    complain "$@"
    exit 1
}

# Prints the comment block at the head of a script, as its help.
usage() { sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$1"; }
