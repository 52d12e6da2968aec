# containerd by its client ctr, with the shim io.containerd.runc.v2. Run by engines/run; the contract is in lib.sh.
. "${0%/*}/lib.sh"
need containerd ctr busybox script

ctr="ctr --namespace $CGROUP"
image=docker.io/test/box:latest

once() { timeout --kill-after=5 60 $ctr run --runc-binary "$RUNTIME" --rm "$@" >run.out; }
# On a busy machine ctr loses what a container prints that ends before ctr has opened its pipes (containerd, task.go: Delete
# cancels the opening): so what has printed nothing is run again.
run() { once "$@"; [ -s run.out ] || once "$@"; cat run.out; }
detached() { timeout --kill-after=5 60 $ctr run --runc-binary "$RUNTIME" -d "$@"; }
task() { timeout --kill-after=5 60 $ctr task "$@"; }
# status_of ID: as `ctr task ls` has it.
status_of() { task ls | awk -v id="$1" '$1 == id { print $3 }'; }
# ended ID STATUS: waits for the event that its first process has ended so.
ended() { line "tasks/exit .*\"container_id\":\"$1\",\"id\":\"$1\",.*\"exit_status\":$2" tail -f -n +1 events.log >/dev/null; }

feature registration
mkdir -p /etc/containerd && block /etc/containerd/config.toml >/etc/containerd/config.toml || no "README.md has a config.toml"
fresh /var/lib/containerd && fresh /opt
start containerd containerd
socket /run/containerd/containerd.sock
like "CRI takes the runtime for its default" '"defaultRuntimeName": *"casque"|defaultRuntimeName.*casque' \
    sh -c 'containerd config dump | sed -n "s/default_runtime_name = /defaultRuntimeName /p"'
is "and knows its program" "$RUNTIME" sh -c 'containerd config dump | sed -n "/runtimes.casque.options/,/\[/s/.*BinaryName = \"\(.*\)\"/\1/p"'
like "the CRI plugin is up" "^io.containerd.grpc.v1 +cri .* ok *$" ctr plugins ls
start events $ctr events
archive test/box '"sh"'
like "an archive is imported" "$image" $ctr image import image.tar

feature run
is "a container prints" "hello" run $image hello echo hello
is "its exit status is the client's" 7 sh -c "$ctr run --runc-binary $RUNTIME --rm $image seven sh -c 'exit 7'; echo \$?"
is "the image's environment" "image" run $image environment sh -c 'echo $IN'
is "--env" "new" run --env A=new $image env sh -c 'echo $A'
is "--cwd" "/tmp" run --cwd /tmp $image cwd pwd
is "--mount" "outside" sh -c "echo outside >file; $ctr run --runc-binary $RUNTIME --rm --mount type=bind,src=$WORK/file,dst=/file,options=rbind:ro $image mount cat /file"
is "--net-host" "lo" run --net-host $image net ls /sys/class/net
is "--privileged has all capabilities" "$(sed -n 's/CapBnd:.//p' /proc/self/status)" run --privileged $image priv sed -n 's/CapEff:.//p' /proc/self/status
is "--seccomp" 2 run --seccomp $image seccomp sed -n 's/Seccomp:.//p' /proc/self/status
is "--read-only" "1" sh -c "$ctr run --runc-binary $RUNTIME --rm --read-only $image ro touch /x 2>/dev/null; echo \$?"
like "-t gives it a terminal" "^/dev/(pts/0|console) on a terminal" sh -c \
    "echo 'echo \$(tty) on a terminal; exit' | timeout --kill-after=5 20 script -qec '$ctr run --runc-binary $RUNTIME --rm -t $image term sh' /dev/null | tr -d '\r'"
like "no such program" "exec: \"nosuch\": executable file not found in \\\$PATH" run $image nosuch nosuch
like "not executable" "exec: \"/etc/passwd\": permission denied" run $image passwd /etc/passwd
is "what failed has left nothing" "" $ctr task ls -q

feature tasks
detached $image one sh -c 'trap "exit 5" TERM; while :; do sleep 0.1; done'
is "ctr run -d: it runs" "RUNNING" status_of one
is "ctr task exec" "inside" task exec --exec-id e1 one echo inside
is "its exit status" 9 sh -c "$ctr task exec --exec-id e2 one sh -c 'exit 9'; echo \$?"
is "its user and folder" "1 /tmp" sh -c "$ctr task exec --exec-id e3 --user 1 --cwd /tmp one sh -c 'echo \$(id -u) \$(pwd)'"
like "with a terminal" "^/dev/pts/[0-9]+ here" sh -c \
    "echo 'echo \$(tty) here; exit' | timeout --kill-after=5 20 script -qec '$ctr task exec -t --exec-id e4 one sh' /dev/null | tr -d '\r'"
like "no such program" "exec: \"nosuch\": executable file not found in \\\$PATH" task exec --exec-id e5 one nosuch
pid=$(task ls | awk '$1 == "one" { print $2 }')
like "ctr task ps lists its processes" "^$pid +" task ps one
is "ctr task pause" "PAUSED" sh -c "$ctr task pause one; $ctr task ls | awk '\$1 == \"one\" { print \$3 }'"
is "ctr task resume" "RUNNING" sh -c "$ctr task resume one; $ctr task ls | awk '\$1 == \"one\" { print \$3 }'"
like "ctr task metrics" "^one " task metrics one
status "ctr task kill" 0 task kill one
ended one 5
is "it has ended" "STOPPED" status_of one
like "ctr task kill of an ended task: the shim knows the runtime's words" "process already finished: not found" task kill one
like "ctr task delete tells its exit status" "exit code 5" task delete one
like "ctr container ls" "^one " $ctr container ls
status "ctr task start: again" 0 task start -d one
status "ctr task kill -s KILL" 0 task kill -s KILL one
ended one 137
like "its exit status" "exit code 137" task delete one
status "ctr container delete" 0 $ctr container delete one
detached $image two sh -c 'sleep 1000 & sleep 1000'
status "ctr task kill --all" 0 task kill --all -s KILL two
ended two 137
is "nothing of it is left" 0 sh -c 'ps ax -o args | grep -c "^sleep 1000$"'
status "ctr task delete --force" 0 sh -c "$ctr task delete --force two || [ \$? = 137 ]"
$ctr container delete two

feature events
like "create" "tasks/create .*\"container_id\":\"two\"" cat events.log
like "start, with its pid" "tasks/start .*\"container_id\":\"one\",\"pid\":$pid" cat events.log
like "exec" "tasks/exec-started .*\"exec_id\":\"e1\"" cat events.log
like "pause and resume" "tasks/paused .*\"container_id\":\"one\"" cat events.log
like "exit, with its status" "tasks/exit .*\"container_id\":\"one\".*\"exit_status\":5" cat events.log
like "delete" "tasks/delete .*\"container_id\":\"one\"" cat events.log

feature limits
if hybrid && [ "$KIND" = casque ]; then
    like "--memory-limit: refused, for version 1 holds the controller" \
        "linux.resources.memory.limit: the memory controller is not available in cgroup v2" run --memory-limit 67108864 $image memory true
else
    like "--memory-limit" "^67108864$" run --memory-limit 67108864 --mount type=bind,src=/sys/fs/cgroup,dst=/cgroup,options=rbind:ro $image memory \
        sh -c 'cat /cgroup/memory$(sed -n "s/^[0-9]*:memory://p" /proc/self/cgroup)/memory.limit_in_bytes || cat /cgroup$(sed -n s/^0:://p /proc/self/cgroup)/memory.max'
fi

feature "clearing up"
is "no container, no task" "" sh -c "$ctr container ls -q; $ctr task ls -q"
is "no cgroup" "" sh -c 'find /sys/fs/cgroup -mindepth 3 -path "*/$CGROUP/*" -type d'
is "no state of the runtime" "" sh -c 'find /run/containerd/runc -mindepth 2 2>/dev/null'
finish
