# containerd as Kubernetes uses it: pods, made by its CRI plugin, with the runtime that config.toml names. Run by engines/run;
# the contract is in lib.sh. Requests are in the form of cri.py.
. "${0%/*}/lib.sh"
need containerd ctr busybox python3
/usr/bin/python3 -c 'import grpc' 2>/dev/null || need python3-grpcio

cri() { timeout --kill-after=5 60 /usr/bin/python3 -I "$SOURCES/engines/cri.py" "$@"; }
image="docker.io/test/box:latest"

# What this place lacks: CAP_SYS_RESOURCE for the pod's oom_score_adj; where version 1 holds the controllers, limits.
place() {
    echo '[plugins."io.containerd.grpc.v1.cri"]'
    echo 'sandbox_image = "docker.io/test/pause:latest"'
    echo 'restrict_oom_score_adj = true'
    ! hybrid || echo 'disable_cgroup = true'
}

# On the host's network, for which no plugin is needed; it may have privileged containers.
pod="{1: {1: 'pod', 2: 'uid', 3: 'default'}, 3: '$WORK/logs', 8: {1: '/$CGROUP', 2: {1: {1: 2}, 6: 1}}}"
# container NAME COMMAND MORE: makes one in the pod.
container() {
    cri CreateContainer "{1: '$id', 2: {1: {1: '$1'}, 2: {1: '$image'}, 3: $2, 6: {1: 'A', 2: 'value'}, 11: '$1.log'${3:-}}, 3: $pod}" 1
}
# ran NAME COMMAND MORE: makes and starts one, and prints its log when it has ended.
ran() {
    made=$(container "$@") && cri StartContainer "{1: '$made'}" >/dev/null &&
        line "tasks/exit.*$made" tail -f -n +1 events.log >/dev/null
    sed 's/^[^ ]* [a-z]* F //' "logs/$1.log"
}

feature registration
mkdir -p /etc/containerd && block /etc/containerd/config.toml >/etc/containerd/config.toml || no "README.md has a config.toml"
place >>/etc/containerd/config.toml
fresh /var/lib/containerd && fresh /opt
start containerd containerd
socket /run/containerd/containerd.sock
start events ctr events
archive test/pause '"sleep", "100000"' && ctr --namespace k8s.io image import image.tar >/dev/null
archive test/box '"sh"' && ctr --namespace k8s.io image import image.tar >/dev/null
is "Version" "containerd" cri Version '{}' 2

feature pods
id=$(cri RunPodSandbox "{1: $pod}" 1)
like "RunPodSandbox: with the default runtime" "^[0-9a-f]{64}$" echo "$id"
is "PodSandboxStatus: it is ready" 0 cri PodSandboxStatus "{1: '$id'}" 1 3
like "it was made by the runtime" "\"binary_name\":\"$RUNTIME\"" cri PodSandboxStatus "{1: '$id', 2: 1}" 2 2

feature containers
main=$(container main "['sh', '-c', 'echo \$A; trap \"exit 4\" TERM; while :; do sleep 0.1; done']")
like "CreateContainer" "^[0-9a-f]{64}$" echo "$main"
is "ContainerStatus: created" 0 cri ContainerStatus "{1: '$main'}" 1 3
status "StartContainer" 0 cri StartContainer "{1: '$main'}"
is "ContainerStatus: running" 1 cri ContainerStatus "{1: '$main'}" 1 3
is "its log" "value" sh -c "tail -f logs/main.log 2>/dev/null | sed -u 's/.* F //;q'"
is "ExecSync: its output" "inside" cri ExecSync "{1: '$main', 2: ['echo', '-n', 'inside']}" 1
is "ExecSync: its exit code" 9 cri ExecSync "{1: '$main', 2: ['sh', '-c', 'exit 9']}" 3
like "ExecSync: no such program" "exec: \"nosuch\": executable file not found in \\\$PATH" cri ExecSync "{1: '$main', 2: ['nosuch']}"
is "containers of a pod share its namespaces" "same" sh -c '
    first=$(readlink /proc/$(ctr -n k8s.io task ls | sed -n "s/^$0 *\([0-9]*\).*/\1/p")/ns/ipc)
    second=$(readlink /proc/$(ctr -n k8s.io task ls | sed -n "s/^$1 *\([0-9]*\).*/\1/p")/ns/ipc)
    [ "$first" ] && [ "$first" = "$second" ] && echo same' "$id" "$main"
status "StopContainer" 0 cri StopContainer "{1: '$main', 2: 10}"
is "ContainerStatus: exited" 2 cri ContainerStatus "{1: '$main'}" 1 3
is "ContainerStatus: its exit code" 4 cri ContainerStatus "{1: '$main'}" 1 7
status "RemoveContainer" 0 cri RemoveContainer "{1: '$main'}"
missing=$(container missing "['nosuch']")
like "StartContainer of what is no program" "exec: \"nosuch\": executable file not found in \\\$PATH" cri StartContainer "{1: '$missing'}"
is "ContainerStatus: exit code 128" 128 cri ContainerStatus "{1: '$missing'}" 1 7

feature "security contexts"
is "runAsUser and runAsGroup" "5 6" ran user "['sh', '-c', 'echo \$(id -u) \$(id -g)']" ", 15: {2: {5: {1: 5}, 12: {1: 6}}}"
is "readOnlyRootFilesystem" "refused" ran readonly "['sh', '-c', 'touch /x 2>/dev/null || echo refused']" ", 15: {2: {7: 1}}"
is "capabilities" "0000000000001000" ran capabilities "['sed', '-n', 's/CapBnd:.//p', '/proc/self/status']" \
    ", 15: {2: {1: {1: 'NET_ADMIN', 2: 'ALL'}}}"
is "allowPrivilegeEscalation: false" 1 ran nonew "['sed', '-n', 's/NoNewPrivs:.//p', '/proc/self/status']" ", 15: {2: {11: 1}}"
is "seccompProfile: RuntimeDefault" 2 ran seccomp "['sed', '-n', 's/Seccomp:.//p', '/proc/self/status']" ", 15: {2: {15: {1: 0}}}"
is "privileged" "$(sed -n 's/CapBnd:.//p' /proc/self/status)" ran privileged "['sed', '-n', 's/CapEff:.//p', '/proc/self/status']" ", 15: {2: {2: 1}}"
mkdir volume && echo outside >volume/file
is "a volume" "outside" ran volume "['cat', '/data/file']" ", 7: {1: '/data', 2: '$WORK/volume', 3: 1}"

feature "clearing up"
status "StopPodSandbox" 0 cri StopPodSandbox "{1: '$id'}"
status "RemovePodSandbox" 0 cri RemovePodSandbox "{1: '$id'}"
is "nothing is left" "" sh -c 'ctr -n k8s.io task ls -q; ctr -n k8s.io container ls -q; ls /run/containerd/runc/k8s.io'
finish
