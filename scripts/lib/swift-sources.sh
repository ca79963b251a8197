# shellcheck shell=bash
# Which Swift files are written by hand. Needs common.sh.

# Fills `swift_sources` with the directories and files that formatting applies to.
find_swift_sources() {
    local directory name
    swift_sources=("$root/Package.swift")
    for directory in "$root"/Sources/*/ "$root"/Tests/*/; do
        name="$(basename "$directory")"
        [[ " ${generated_targets[*]} " == *" $name "* ]] || swift_sources+=("${directory%/}")
    done
}
