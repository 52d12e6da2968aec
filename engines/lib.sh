# What the scripts of the engines share: a private place, processes, assertions. Sourced by engines/NAME.sh, which is run
# by engines/run as the first process of its own network, mount, IPC and process namespaces. The contract:
#
# - $RUNTIME is the runtime under test (a path), $KIND its first word of --version: casque, runc or crun. $ENGINE is the
#   script's name, $WORK a folder on a tmpfs of its own, $CGROUP the name below which every cgroup has to be made.
# - /etc and /var are the host's below an overlay, /run is empty: daemons use their usual paths, and all that is written
#   vanishes with the namespaces. `fresh DIR` puts an empty tmpfs there (for what is itself a lower directory of overlays).
# - `block FILE` is the fenced block of README.md that belongs to FILE, with the path of the runtime under test.
# - `start NAME COMMAND...` runs a process in the background, its output in $WORK/NAME.log; `stop NAME` ends it, by its
#   pid, and waits. `socket PATH` waits until a socket is there: the only thing that is ever waited for in a loop. For the
#   rest wait for something that ends: a command of the engine, an event.
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
SOURCES=$(cd "${0%/*}/.." && pwd)
KIND=$("$RUNTIME" --version | sed -n '1s/ .*//p')

# --- a private place -----------------------------------------------------------------------------------------
fresh() {
    mkdir -p "$1" && mount -t tmpfs -o mode=755 tmpfs "$1"
}

# over DIR: what is written below it goes to $WORK.
over() {
    mkdir -p "$WORK/over$1" "$WORK/over.work$1"
    mount -t overlay -o "lowerdir=$1,upperdir=$WORK/over$1,workdir=$WORK/over.work$1" overlay "$1"
}

fresh "$WORK" && over /etc && over /var && fresh /run || exit 1
mkdir -p /run/lock "$WORK/home"
export HOME="$WORK/home"
cd "$WORK" || exit 1
ip link set lo up
trap 'exit 130' INT TERM

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

# block FILE: in README.md a fenced block belongs to the file whose name stands in backquotes at the start of a line
# before it. Fails when there is none.
block() {
    awk -v start="\`$1\`" -v runtime="$RUNTIME" '
        fenced && /^```/ { exit }
        fenced { gsub("/usr/local/bin/casque", runtime); print; found = 1 }
        index($0, start) == 1 { here = 1 }
        here && /^```/ { fenced = 1 }
        END { exit !found }' "$SOURCES/README.md"
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
    /*) timeout 60 "$@" ;;
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

# finish: the script came to its end, and the daemons that are still there are ended in the reverse order.
finish() {
    for pid in $(ls -t "$WORK"/*.pid 2>/dev/null); do kill "$(cat "$pid")" 2>/dev/null && wait "$(cat "$pid")"; done
    exit 0
}
