# Podman on a machine with systemd and all controllers, as root and as a user: the systemd cgroup manager, limits, pods. Run
# in it by engines/run; the contract is in ../lib.sh.
. "${0%/*}/../lib.sh"
need podman systemctl busybox runuser
limited() { "$@"; } # it is slow here; engines/run has a time limit for all
fresh /etc/cni # Docker's networks are not Podman's

as() { runuser -u tester -- env HOME=/home/tester XDG_RUNTIME_DIR=/run/user/1000 "$@"; }
# file PODMAN NAME: of the cgroup of the container `limits`.
group_of() { sed s/^0::// "/proc/$($1 inspect -f '{{.State.Pid}}' limits)/cgroup"; }
file() { cat "/sys/fs/cgroup$(group_of "$1")/$2"; }

feature setup
mkdir -p /etc/containers && block /etc/containers/containers.conf >/etc/containers/containers.conf || no "README.md has a containers.conf"
is "the cgroup manager is systemd's" "$RUNTIME systemd v2" podman info -f '{{.Host.OCIRuntime.Path}} {{.Host.CgroupManager}} {{.Host.CgroupsVersion}}'
box root && tar -C root -cf root.tar . && podman import -q root.tar box >/dev/null
chmod 755 . && chmod 644 root.tar

feature limits
podman run -d --name limits --memory 64m --cpus 0.5 --pids-limit 50 box sleep 1000 >/dev/null
like "the scope" "^/machine.slice/libpod-[0-9a-f]{64}.scope$" group_of podman
is "memory, processes, processor time" "67108864 50 50000 100000" sh -c "echo $(file podman memory.max) $(file podman pids.max) $(file podman cpu.max)"
is "exec is in it, though Podman does not say that systemd made it" "0::/" podman exec limits cat /proc/self/cgroup
like "update" "." podman update --cpus 1 limits
systemctl daemon-reload
is "holds over a reload of systemd" "100000 100000" file podman cpu.max
like "stats" "^limits .*/ 67.11MB 1$" podman stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' limits
status "pause" 0 podman pause limits
status "unpause" 0 podman unpause limits
status "out of memory" 137 podman run --name oom --memory 16m --memory-swap 16m box sh -c 'tail /dev/zero; exit $?'
skip "is shown as such" "conmon 2.1.6 does not see it under cgroup version 2, with crun and runc neither"
podman rm -f -t 0 limits oom >/dev/null

feature pods
cat >pod.yaml <<'EOF'
apiVersion: v1
kind: Pod
metadata: {name: play}
spec:
  containers:
  - {name: main, image: localhost/box, command: [sh, -c, "cat /proc/self/cgroup; sleep 1000"], resources: {limits: {memory: 32Mi}}}
EOF
status "kube play" 0 podman kube play pod.yaml
is "with a limit" "33554432" sh -c "cat /sys/fs/cgroup/machine.slice/machine-libpod_pod_*.slice/libpod-$(podman inspect -f '{{.Id}}' play-main).scope/memory.max"
status "kube down" 0 podman kube down pod.yaml

feature "as a user"
mkdir -p /home/tester/.local/share/containers && mount /dev/vda /home/tester/.local/share/containers
mkdir -p /home/tester/.config/containers && printf '[storage]\ndriver = "overlay"\n' >/home/tester/.config/containers/storage.conf
chown -R tester: /home/tester/.local /home/tester/.config
cd / && podman() { as systemd-run --user --pipe --wait --quiet --collect -p Delegate=yes podman "$@"; }
podman import -q "$WORK/root.tar" box >/dev/null
podman run -d --name limits --memory 64m --pids-limit 50 box sleep 1000 >/dev/null
like "the scope is in the user's part of the tree" "^/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-[0-9a-f]{64}.scope$" group_of podman
is "memory and processes" "67108864 50" sh -c "echo $(file podman memory.max) $(file podman pids.max)"
is "exec" "0::/" podman exec limits cat /proc/self/cgroup
status "pause" 0 podman pause limits
status "unpause" 0 podman unpause limits
status "stop" 0 podman stop -t 1 limits
finish
