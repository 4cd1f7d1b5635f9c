#!/bin/sh
# Makes the folders that a compose file mounts (./data/workerN, ./profiles/workerN, ...), owned by the user in the
# containers and by nobody else to read. Safe to run again: what is there already keeps what it holds.
#
#   ./init.sh [COMPOSE_FILE]      OWNER=1000:1000 ./init.sh
set -eu

case "${1:-}" in
    -h | --help)
        sed -n '2,5s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
esac

here=$(cd "$(dirname "$0")" && pwd)
compose=${1:-$here/docker-compose.yml}
owner=${OWNER:-1000:1000}

die() {
    printf 'init.sh: %s\n' "$1" >&2
    exit 1
}

[ -f "$compose" ] || die "there is no compose file $compose"
case "$owner" in
    *[!0-9:]* | *:*:* | :* | *:) die "OWNER is '$owner'; it must be UID:GID in numbers" ;;
    *:*) ;;
    *) die "OWNER is '$owner'; it must be UID:GID in numbers" ;;
esac
root=$(cd "$(dirname "$compose")" && pwd)

folders=$(sed -n 's/^[[:space:]]*-[[:space:]]*["'\'']\{0,1\}\.\/\(\(data\|profiles\)\/[A-Za-z0-9._-]*\):.*/\1/p' "$compose" | sort -u)
[ -n "$folders" ] || die "$compose mounts no ./data/NAME and no ./profiles/NAME"

if [ "$(id -u)" = 0 ]; then
    own() { chown "$owner" "$1"; }
elif [ "$(id -u):$(id -g)" = "$owner" ]; then
    own() { :; }
elif command -v sudo >/dev/null 2>&1; then
    own() { sudo chown "$owner" "$1"; }
else
    die "the folders have to belong to $owner: run this as root, or as that user"
fi

for folder in $folders; do
    path=$root/$folder
    [ ! -e "$path" ] || [ -d "$path" ] || die "$path is in the way: it is not a folder"
    if [ -d "$path" ]; then state=kept; else state=made; fi
    mkdir -p "$path"
    # Only what has another owner is touched: a large folder of pictures is not walked through again.
    if [ "$(stat -c %u:%g "$path")" != "$owner" ]; then
        own "$path"
        state="$state, now of $owner"
    fi
    [ "$(stat -c %a "$path")" = 700 ] || chmod 700 "$path" 2>/dev/null || sudo chmod 700 "$path"
    printf '%-10s %s\n' "$folder" "$state"
done
