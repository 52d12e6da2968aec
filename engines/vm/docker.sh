# Docker and containerd on a machine with systemd and all controllers: limits. Run in it by engines/run; the contract is in
# ../lib.sh.
. "${0%/*}/../lib.sh"
need docker ctr systemctl busybox
limited() { "$@"; } # it is slow here; engines/run has a time limit for all

# file NAME: of the cgroup of the container `limits`.
file() { cat "/sys/fs/cgroup$(sed s/^0::// "/proc/$(docker inspect -f '{{.State.Pid}}' limits)/cgroup")/$1"; }
scope() { echo "docker-$(docker inspect -f '{{.Id}}' limits).scope"; }

feature setup
block /etc/docker/daemon.json >/etc/docker/daemon.json || no "README.md has a daemon.json"
systemctl reload docker
is "the cgroup driver is systemd's" "casque systemd 2" docker info -f '{{.DefaultRuntime}} {{.CgroupDriver}} {{.CgroupVersion}}'
box root && tar -C root -c . | docker import --change 'CMD ["sh"]' - box >/dev/null

feature limits
docker run -d --name limits --memory 64m --cpus 0.5 --pids-limit 50 --cpuset-cpus 0 --blkio-weight 300 box sleep 1000 >/dev/null
is "the memory" "67108864" file memory.max
is "the processes" "50" file pids.max
is "the processor time" "50000 100000" file cpu.max
is "the processors" "0" file cpuset.cpus
is "systemd knows them" "500ms 67108864 50" sh -c "echo \$(systemctl show -P MemoryMax -P TasksMax -P CPUQuotaPerSecUSec $(scope))"
like "docker stats" "^limits .*/ 64MiB 1$" docker stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' limits
like "the profile of AppArmor" "docker-default" docker exec limits cat /proc/1/attr/current
is "docker update" "limits" docker update --memory 128m --memory-swap 128m --pids-limit 60 --cpus 1 limits
is "changes the files" "134217728 60 100000 100000" sh -c "echo $(file memory.max) $(file pids.max) $(file cpu.max)"
systemctl daemon-reload
is "which are the same after a reload of systemd" "134217728 60 100000 100000" sh -c "echo $(file memory.max) $(file pids.max) $(file cpu.max)"
status "a process too many is not made, and the shell gives up" 2 docker exec limits sh -c 'for i in $(seq 80); do sleep 5 & done'

feature "out of memory"
status "the container is killed" 137 docker run --name oom --memory 16m --memory-swap 16m box tail /dev/zero
# containerd 1.6 may learn of the exit first, and then nobody is told: 2 of 16 times with runc, 1 of 16 with casque.
out_of_memory() {
    for _ in 1 2 3 4 5; do
        docker start -a oom >/dev/null 2>&1
        told=$(docker inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' oom)
        [ "$told" != "true 137" ] || break
    done
    echo "$told"
}
is "and is shown as such" "true 137" out_of_memory
docker rm -f limits oom >/dev/null

feature containerd
docker save box -o box.tar
like "an archive is imported" "box" ctr image import box.tar
limit='cat /sys/fs/cgroup$(cut -d : -f 3 /proc/self/cgroup)/memory.max' # ctr makes no cgroup namespace
run="ctr run --rm --runc-binary $RUNTIME --memory-limit 67108864 --mount type=cgroup,src=cgroup,dst=/sys/fs/cgroup,options=ro"
is "the cgroupfs driver" "67108864" $run docker.io/library/box:latest one sh -c "$limit"
is "the systemd driver" "67108864" $run --runc-systemd-cgroup --cgroup system.slice:ctr:two docker.io/library/box:latest two sh -c "$limit"
unlike "leaves no unit" "ctr-two" systemctl list-units --all 'ctr-*'
finish
