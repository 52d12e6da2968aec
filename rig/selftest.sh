#!/bin/sh
# Shows that rig/vm keeps its promises: TAP on stdout, exit status 1 when one is broken. Run on the host; with the
# argument `guest` it is itself the command in the machine. It must leave no process and no file behind.
cd "$(dirname "$0")/.." || exit 1
count=0 failed=0

# check SENTENCE COMMAND...: one line of TAP
check() {
    sentence=$1 count=$((count + 1))
    shift
    if "$@"; then
        echo "ok $count - $sentence"
    else
        echo "not ok $count - $sentence"; failed=$((failed + 1))
    fi
}
same() { [ "$1" = "$2" ] || { echo "# expected '$2', was '$1'"; return 1; }; }
event() { sed -n "s/^$2 //p" "$root/$1"; }

# --- in the machine -----------------------------------------------------------------------------------------
root=/sys/fs/cgroup

# inside GROUP COMMAND...: runs the command as a member of that new group
inside() {
    group=$root/$1
    shift
    sh -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' "$group" "$@" 2>/dev/null
}

limits() {
    check "cgroup v2 is all there is" same "$(stat -f -c %T $root) $(grep -c cgroup /proc/mounts)" "cgroup2fs 1"
    check "the root enables what systemd enables" \
        same "$(cat $root/cgroup.subtree_control)" "cpuset cpu io memory pids"
    check "the command is in a scope" same "$(cat /proc/self/cgroup)" "0::/session.scope"

    mkdir $root/memory && echo 16M >$root/memory/memory.max
    inside memory sh -c 'head -c 100000000 /dev/zero | tail -c 50000000 >/dev/null'
    check "memory.max brings the OOM killer" [ "$(event memory/memory.events oom_kill)" -ge 1 ]

    mkdir $root/pids && echo 2 >$root/pids/pids.max
    inside pids sh -c 'sleep 1 & sleep 1 & sleep 1 & wait'
    check "pids.max stops a fork" [ "$(event pids/pids.events max)" -ge 1 ]

    mkdir $root/cpu && echo "5000 100000" >$root/cpu/cpu.max
    inside cpu timeout 1 sh -c 'while :; do :; done'
    check "cpu.max throttles" [ "$(event cpu/cpu.stat nr_throttled)" -ge 1 ]

    mkdir $root/cpuset && echo 1 >$root/cpuset/cpuset.cpus
    check "cpuset.cpus leaves one processor of two" same "$(nproc) $(inside cpuset nproc)" "2 1"

    mkdir $root/freezer
    sleep 100 &
    sleeper=$! && echo $sleeper >$root/freezer/cgroup.procs
    echo 1 >$root/freezer/cgroup.freeze
    check "cgroup.freeze freezes" same "$(event freezer/cgroup.events frozen)" 1
    echo 1 >$root/freezer/cgroup.kill
    wait $sleeper 2>/dev/null
    check "cgroup.kill kills" same $? 137

    uptime=$(unshare --fork --time --boottime 1000000 cut -d. -f1 /proc/uptime)
    check "a time namespace has its own boot time" [ "$uptime" -ge 1000000 ]
    check "a user namespace can be made" same "$(unshare --user --map-root-user id -u)" 0
    check "loopback is up, and the only link" same "$(ls /sys/class/net) $(cat /sys/class/net/lo/flags)" "lo 0x9"
    mkdir /tmp/lower /tmp/upper /tmp/work /tmp/merged
    check "/tmp can carry an overlay" \
        mount -t overlay -o lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work overlay /tmp/merged
    check "/dev/vda is an ext4 file system" mount -t ext4 /dev/vda /mnt
    check "modules are loaded on demand" unshare --net ip link add veth0 type veth peer name veth1
    check "the root can be written to" touch /etc/written-by-the-machine
    check "the host's root cannot" same "$(touch /run/rig/host/etc/x 2>&1 | grep -c 'Read-only')" 1
}

# --- on the host --------------------------------------------------------------------------------------------

# The QEMU processes that this test started: they carry its mark in their environment.
mine() { grep -slxz "RIG_SELFTEST=$$" /proc/[0-9]*/environ | while read -r file; do
    process=${file%/environ}; [ "$(cat "$process/comm" 2>/dev/null)" = qemu-system-x86 ] && echo "${process#/proc/}"
done; }
gone() { for _ in 1 2 3 4 5 6 7 8 9 10; do [ -z "$(mine)" ] && return; sleep 0.1; done; return 1; }

promises() {
    work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
    export RIG_SELFTEST=$$

    rig/vm sh -c 'echo out; echo err >/dev/stderr; exit 7' >"$work/out" 2>"$work/err"
    check "the exit status comes through" same $? 7
    check "stdout and stderr come through apart" same "$(cat "$work/out") $(cat "$work/err")" "out err"
    rig/vm sh -c 'kill -9 $$' >"$work/out" 2>&1
    check "a signal is 128 and its number" same "$? $(cat "$work/out")" "137 "
    rig/vm /no/such/command 2>/dev/null
    check "a missing command is 127" same $? 127
    head -c 3000000 /dev/urandom >"$work/bytes"
    rig/vm cat <"$work/bytes" >"$work/copy"
    check "three megabytes go in and out unchanged" cmp "$work/bytes" "$work/copy"
    check "a closed stdin is an empty one" same "$(rig/vm wc -c <&-)" 0
    check "the directory and the environment are kept" \
        same "$(cd rig && WORD="a 'b' \$c" ./vm sh -c 'pwd; echo "$WORD"')" "$PWD/rig
a 'b' \$c"
    check "a directory of /tmp that is named is there" \
        same "$(rig/vm sh -c 'ls "$0" && echo more >>"$0/copy"' "$work" | tr '\n' ' ')" "bytes copy err out "
    check "what the machine writes stays there" cmp "$work/bytes" "$work/copy"
    yes | rig/vm sh -c 'exit 5'
    check "input that nobody reads does no harm" same $? 5
    check "what the command leaves behind does not hold the end" same "$(rig/vm sh -c 'sleep 1000 & echo $?')" 0
    check "a reader that goes away ends it" same "$(rig/vm yes | head -n 1)" y

    rig/vm --kernel 6.12 --memory 512M sh -c 'uname -r; free -m' >"$work/first" &
    rig/vm uname -r >"$work/second"
    wait $!
    check "two run at once, each its own kernel" \
        same "$(cut -c 1-4 "$work/first" | head -n 1) $(cut -c 1-4 "$work/second")" "6.12 6.1."
    check "--memory is the machine's" [ "$(sed -n 's/^Mem: *\([0-9]*\).*/\1/p' "$work/first")" -lt 512 ]

    rig/vm --timeout 2 sh -c 'echo early; sleep 1000' >"$work/out" 2>"$work/err"
    check "a command that hangs is ended: 124" same $? 124
    check "what it said before is kept" same "$(cat "$work/out")" early
    rig/vm sh -c 'echo b >/proc/sysrq-trigger; sleep 100' 2>"$work/err"
    check "a machine that dies is the rig's failure: 125" same $? 125
    rig/vm sleep 1000 & vm=$!
    sleep 1
    check "a machine runs while its command runs" [ -n "$(mine)" ]
    { kill -9 $vm && wait $vm; } 2>/dev/null
    check "nothing is left running, even when rig/vm is killed" gone
}

case ${1-} in
guest) count=$2 && limits ;;
*)
    promises
    rig/vm rig/selftest.sh guest "$count" >"$work/guest" || failed=$((failed + 1))
    cat "$work/guest" && count=$((count + $(grep -c 'ok ' "$work/guest")))
    echo "1..$count"
    ;;
esac
exit $((failed > 0))
