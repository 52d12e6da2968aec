# What the scripts of the engines share: a private place, processes, assertions. Sourced by engines/NAME.sh, which is run
# by engines/run as the first process of its own network, mount, IPC and process namespaces. The contract:
#
# - $RUNTIME is the runtime under test (a path), $KIND its first word of --version: casque, runc or crun. $ENGINE is the
#   script's name, $WORK a folder on a tmpfs of its own, $CGROUP the name below which every cgroup has to be made.
# - /etc and /var are the host's below an overlay, /run is empty: daemons use their usual paths, and all that is written
#   vanishes with the namespaces. `fresh DIR` puts an empty tmpfs there (for what is itself a lower directory of overlays).
# - `block FILE` is the fenced block of README.md that belongs to FILE, with the path of the runtime under test.
# - `box DIR` makes a root there: busybox under all its names. Its programs are static. `archive NAME COMMAND`
#   makes image.tar of it, as `docker save` does; the command is a list in JSON without its brackets.
# - `start NAME COMMAND...` runs a process in the background, its output in $WORK/NAME.log; `stop NAME` ends it, by its
#   pid, and waits. `socket PATH` waits until a socket is there: the only thing that is ever waited for in a loop. For the
#   rest wait for what ends, such as `docker wait`, or for `line PATTERN COMMAND...`: runs a command that goes on (events,
#   logs) until a line of its output matches, prints that line and ends the command; fails after 20 seconds.
# - `hybrid` is true where version 1 of cgroups holds the controllers: there casque refuses limits, by design.
# - Cases are assertions on output. NAME is a sentence; `feature WORDS` sets the group that it is counted in.
#       is NAME EXPECTED COMMAND...     its standard output is exactly that
#       like NAME PATTERN COMMAND...    a line of its output (errors too) matches the extended regular expression
#       unlike NAME PATTERN COMMAND...  none does
#       status NAME NUMBER COMMAND...   its exit status
#       skip NAME REASON                it cannot run here, and why
#   COMMAND may be a function of the script; a program is given 60 seconds.
# - `need PROGRAM...` first: without them nothing of the script runs: a skip, under CI=true a failure.
# - The last line is `finish`: a script that does not come to it has failed.
: "${RUNTIME:?run me by engines/run}" "${WORK:?run me by engines/run}" "${ENGINE:?}" "${CGROUP:?}"
PATH=/usr/sbin:/usr/bin:/sbin:/bin # Debian's programs, nobody else's
case $ENGINE in vm/*) SOURCES=$(cd "${0%/*}/../.." && pwd) ;; *) SOURCES=$(cd "${0%/*}/.." && pwd) ;; esac
KIND=$("$RUNTIME" --version | sed -n '1s/ .*//p')
echo "# $ENGINE, with $("$RUNTIME" --version | head -n 1)"

# --- a private place -----------------------------------------------------------------------------------------
fresh() {
    mkdir -p "$1" && mount -t tmpfs -o mode=755 tmpfs "$1"
}

# over DIR: what is written below it goes to $WORK.
over() {
    mkdir -p "$WORK/over$1" "$WORK/over.work$1"
    mount -t overlay -o "lowerdir=$1,upperdir=$WORK/over$1,workdir=$WORK/over.work$1" overlay "$1"
}

case $ENGINE in
vm/*) mkdir -p "$WORK" ;; # a machine is private already
*) fresh "$WORK" && over /etc && over /var && fresh /run || exit 1 ;;
esac
mkdir -p /run/lock "$WORK/home"
export HOME="$WORK/home"
cd "$WORK" || exit 1
ip link set lo up
trap 'exit 130' INT TERM

hybrid() { [ -d /sys/fs/cgroup/memory ]; }

# --- processes -----------------------------------------------------------------------------------------------
start() {
    log=$WORK/$1.log name=$1
    shift
    "$@" >"$log" 2>&1 </dev/null &
    echo $! >"$WORK/$name.pid"
}

stop() {
    kill "$(cat "$WORK/$1.pid")"
    wait "$(cat "$WORK/$1.pid")"
}

# socket PATH: waits up to 20 seconds.
socket() {
    tries=0
    until [ -S "$1" ]; do
        tries=$((tries + 1))
        [ $tries -le 400 ] || { echo "# no socket $1"; return 1; }
        sleep 0.05
    done
}

line() {
    pattern=$1
    shift
    rm -f "$WORK/line" && mkfifo "$WORK/line"
    timeout --kill-after=1 20 "$@" >"$WORK/line" 2>&1 &
    following=$!
    grep -E -m 1 -e "$pattern" <"$WORK/line"
    found=$?
    kill $following 2>/dev/null
    wait $following 2>/dev/null
    return $found
}

# block FILE: in README.md a fenced block belongs to the file whose name stands in backquotes at the start of a line
# before it. Fails when there is none.
block() {
    awk -v file="\`$1\`" -v runtime="$RUNTIME" '
        fenced && /^```/ { exit }
        fenced { gsub("/usr/local/bin/casque", runtime); print; found = 1 }
        index($0, file) == 1 { here = 1 }
        here && /^```/ { fenced = 1 }
        END { exit !found }' "$SOURCES/README.md"
}

box() {
    mkdir -p "$1/bin" "$1/etc" "$1/root" "$1/www" && mkdir -m 1777 "$1/tmp"
    cp "$(command -v busybox)" "$1/bin/busybox"
    for applet in $(busybox --list); do [ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"; done
    echo root:x:0:0:root:/root:/bin/sh >"$1/etc/passwd"
    echo daemon:x:1:1::/:/bin/sh >>"$1/etc/passwd"
    printf 'root:x:0:\ndaemon:x:1:\n' >"$1/etc/group"
    echo served >"$1/www/index.html"
}

archive() {
    [ -d root ] || box root && tar -C root -cf layer.tar . && sum=$(sha256sum <layer.tar)
    echo "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/bin\",\"IN=image\"],\"Cmd\":[$2]},
        \"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:${sum%% *}\"]}}" >config.json
    echo "[{\"Config\":\"config.json\",\"RepoTags\":[\"$1:latest\"],\"Layers\":[\"layer.tar\"]}]" >manifest.json
    tar -cf image.tar config.json layer.tar manifest.json
}

# --- assertions ----------------------------------------------------------------------------------------------
FEATURE=start
feature() { FEATURE=$*; }

ok() { echo "ok - $ENGINE: $FEATURE: $1"; }

# no NAME KEY VALUE...: a failure, and what explains it.
no() {
    echo "not ok - $ENGINE: $FEATURE: $1"
    shift
    while [ $# -gt 1 ]; do
        [ -z "$2" ] || printf '%s\n' "$2" | head -n 20 | sed "s/^/#   $1: /"
        shift 2
    done
}

limited() {
    case $(command -v "$1") in
    /*) timeout --kill-after=5 60 "$@" ;;
    *) "$@" ;;
    esac
}

is() {
    name=$1 expected=$2
    shift 2
    was=$(limited "$@" 2>"$WORK/stderr")
    if [ "$was" = "$expected" ]; then ok "$name"; else
        no "$name" command "$*" expected "$expected" was "$was" stderr "$(cat "$WORK/stderr")"
    fi
}

like() {
    name=$1 expected=$2
    shift 2
    was=$(limited "$@" 2>&1)
    if printf '%s\n' "$was" | grep -Eq -e "$expected"; then ok "$name"; else
        no "$name" command "$*" expected "$expected" was "$was"
    fi
}

unlike() {
    name=$1 expected=$2
    shift 2
    was=$(limited "$@" 2>&1)
    if printf '%s\n' "$was" | grep -Eq -e "$expected"; then
        no "$name" command "$*" "not expected" "$expected" was "$was"
    else ok "$name"; fi
}

status() {
    name=$1 expected=$2
    shift 2
    limited "$@" >"$WORK/stdout" 2>"$WORK/stderr"
    was=$?
    if [ $was = "$expected" ]; then ok "$name"; else
        no "$name" command "$*" expected "$expected" was "$was" stdout "$(cat "$WORK/stdout")" stderr "$(cat "$WORK/stderr")"
    fi
}

skip() { echo "ok - $ENGINE: $FEATURE: $1 # SKIP $2"; }

need() {
    lacking=
    for program; do command -v "$program" >/dev/null || lacking="$lacking $program"; done
    [ -n "$lacking" ] || return 0
    if [ "${CI:-}" = true ]; then no "all programs are installed" missing "$lacking"; else
        skip "all programs are installed" "missing:$lacking"
    fi
    exit 0
}

# finish: the script came to its end. What it left running ends with the process namespace.
finish() { exit 0; }
