# Docker Engine: the life of containers, what they see, what limits them. Images and builds are in docker-images.sh. Run by
# engines/run; the contract is in lib.sh.
. "${0%/*}/lib.sh"
need docker dockerd containerd busybox iptables ip script

# --- what a person does, in one word ---------------------------------------------------------------------------
run() { timeout --kill-after=5 60 docker run --rm "$@"; }
shell() { timeout --kill-after=5 60 docker run --rm box sh -c "$1"; }
inspect() { docker inspect --format "{{$1}}" "$2"; }
# typed TEXT COMMAND...: the command gets a terminal, on which somebody types.
typed() {
    text=$1
    shift
    printf '%s\n' "$text" | timeout --kill-after=5 60 script -qec "$*" /dev/null | tr -d '\r'
}

feature registration
mkdir -p /etc/docker && block /etc/docker/daemon.json >/etc/docker/daemon.json || no "README.md has a daemon.json"
fresh /var/lib/docker
start dockerd dockerd --cgroup-parent "/$CGROUP" --live-restore
socket /run/docker.sock
like "docker info names the default runtime" "^ *Default Runtime: casque$" docker info
is "docker info knows the program" "$RUNTIME" docker info --format '{{.Runtimes.casque.Path}}'
like "docker version tells of an engine" "^Server:" docker version
box root && tar -C root -c . | docker import --change 'CMD ["sh"]' - box >/dev/null

feature run
is "a container prints" "hello" run box echo hello
is "its standard input is the client's" "to upper" sh -c 'echo to upper | docker run --rm -i box cat'
is "its errors go to standard error" "" run box sh -c 'echo wrong >&2'
like "-it gives it a terminal" "^/dev/pts/0 on a terminal$" typed 'echo $(tty) on a terminal; exit' docker run --rm -it box sh
like "the terminal has the client's size" "^33 111$" typed "" "stty rows 33 cols 111; docker run --rm -it box sh -c 'until stty size 2>/dev/null | grep .; do usleep 10000; done'"
is "--rm leaves nothing" "" docker ps -aq
is "--entrypoint and arguments" "a b" run --entrypoint echo box a b
is "--workdir is made and entered" "/deep/down" run -w /deep/down box pwd
is "--runtime, by its name" "named" run --runtime casque box echo named
is "a long output arrives whole" "$(seq 200000 | cksum)" sh -c 'docker run --rm box seq 200000 | cksum'
many() {
    for number in 1 2 3 4 5 6 7 8; do docker run --rm box echo "$number" & done >many
    pids=$(jobs -p | tail -n 8) && wait $pids && sort many | xargs
}
is "eight at once" "1 2 3 4 5 6 7 8" many
is "--cidfile has the id" 64 sh -c 'docker run --rm --cidfile id box true; tr -d "\n" <id | wc -c'

feature "exit codes"
status "0" 0 run box true
status "the program's own" 7 run box sh -c 'exit 7'
status "125: the engine refuses" 125 run --no-such-option box
status "126: not executable" 126 run box /etc/passwd
like "126 says why" "exec: \"/etc/passwd\": permission denied" run box /etc/passwd
like "a directory is no program" "exec: \"/etc\": (is a directory|permission denied)" run box /etc
status "127: no such program" 127 run box nosuch
like "127 says why" "exec: \"nosuch\": executable file not found in \\\$PATH" run box nosuch
status "127: no such file" 127 run box /no/such
status "137: killed" 137 run --init box sh -c 'kill -KILL $$; sleep 1'
status "143: ended by a signal" 143 run --init box sh -c 'kill -TERM $$; sleep 1'

feature "detached containers"
docker run -d --name web --hostname web --label tier=front box sh -c 'echo begun; trap "echo ended; exit 3" TERM; while :; do sleep 0.1; done' >/dev/null
is "docker ps lists it" "web box Up" sh -c 'docker ps --format "{{.Names}} {{.Image}} {{.Status}}" | cut -d" " -f1-3'
is "docker container ls lists it, by its label" "web" docker container ls --filter label=tier=front --format '{{.Names}}'
is "docker logs" "begun" docker logs web
like "docker top shows its processes" "sh -c echo begun" docker top web
is "inspect: its state" "running 0" inspect ".State.Status}} {{.State.ExitCode" web
like "inspect: the pid is a process" "^sh$" sh -c 'cat /proc/$(docker inspect --format "{{.State.Pid}}" web)/comm'
like "docker stats has a line for it" "^web [0-9]" docker stats --no-stream --format '{{.Name}} {{.PIDs}}' web
docker logs -f web >followed & follower=$!
is "docker stop asks with SIGTERM" "web" docker stop web
wait $follower
is "docker logs -f follows to the end" "begun ended" sh -c 'echo $(cat followed)'
is "inspect: the exit code" "exited 3" inspect ".State.Status}} {{.State.ExitCode" web
is "docker start starts it again" "web" docker start web
is "docker restart" "web" docker restart -t 2 web
is "the log has all its lives" "3:begun" line "^3:" sh -c 'docker logs -f web | grep --line-buffered begun | grep --line-buffered -n .'
is "docker rename" "front" sh -c 'docker rename web front && docker ps --format "{{.Names}}"'
is "docker kill" "front" docker kill front
is "docker wait tells the exit code" 137 docker wait front
like "a dead container cannot be killed" "is not running" docker kill front
is "docker rm" "front" docker rm front
# Docker loses what comes within moments of the attaching, with any runtime: so it is asked again.
docker run -d --name asks -i box sh -c 'while read word; do echo "got $word"; done' >/dev/null
is "docker attach" "got it" line "got it" sh -c 'while echo it; do sleep 0.1; done | docker attach asks'
docker run -d --name deaf box sleep 1000 >/dev/null
is "docker stop -t 0 kills who does not hear" "137" sh -c 'docker stop -t 0 deaf >/dev/null; docker inspect --format "{{.State.ExitCode}}" deaf'
docker run -d --name signal --stop-signal USR1 box sh -c 'trap "exit 9" USR1; while :; do sleep 0.1; done' >/dev/null
is "--stop-signal" 9 sh -c 'docker stop signal >/dev/null; docker wait signal'
docker rm -f asks deaf signal >/dev/null

# Docker 20.10 knows no capability beyond the 37th.
known() { printf '%016x\n' $(($1 & 0x3fffffffff)); }
all=$(known "$(sed -n 's/CapBnd:./0x/p' /proc/self/status)")
effective() { known "$("$@" sed -n 's/CapEff:./0x/p' /proc/self/status)"; }

feature exec
docker run -d --name room -e WHERE=inside box sleep 1000 >/dev/null
is "a command in a running container" "inside" docker exec room sh -c 'echo $WHERE'
is "-i: with standard input" "typed" sh -c 'echo typed | docker exec -i room cat'
like "-it: with a terminal" "^/dev/pts/[0-9]+ here$" typed 'echo $(tty) here; exit' docker exec -it room sh
is "-u" "1 1" docker exec -u daemon room sh -c 'echo $(id -u) $(id -g)'
is "-w" "/tmp" docker exec -w /tmp room pwd
is "-e" "new inside" docker exec -e MORE=new room sh -c 'echo $MORE $WHERE'
status "the command's exit status" 9 docker exec room sh -c 'exit 9'
status "126: not executable" 126 docker exec room /etc/passwd
like "no such program" "exec: \"nosuch\": executable file not found in \\\$PATH" docker exec room nosuch
docker exec -d room sh -c 'echo left >/tmp/left; mkfifo /tmp/f; cat /tmp/f'
is "-d leaves it running" "left" docker exec room sh -c 'until [ -p /tmp/f ]; do usleep 10000; done; cat /tmp/left'
is "--privileged has all capabilities" "$all" effective docker exec --privileged room

feature "pause and update"
is "docker pause" "paused" sh -c 'docker pause room >/dev/null; docker inspect --format "{{.State.Status}}" room'
like "no exec in a paused container" "is paused" docker exec room true
is "docker unpause" "running" sh -c 'docker unpause room >/dev/null; docker inspect --format "{{.State.Status}}" room'
status "it works again" 0 docker exec room true
is "docker update --restart" "always" sh -c 'docker update --restart always room >/dev/null; docker inspect --format "{{.HostConfig.RestartPolicy.Name}}" room'

feature "files in and out"
echo carried >carried
is "docker cp into a container" "carried" sh -c 'docker cp carried room:/root/ && docker exec room cat /root/carried'
is "docker cp out of it" "served" sh -c 'docker cp room:/www/index.html out && cat out'
is "docker cp as a stream" "www/index.html" sh -c 'docker cp room:/www - | tar -t | grep index'
is "docker diff" "A /root/carried" sh -c 'docker diff room | grep carried'
is "docker export" "etc/passwd" sh -c 'docker export room | tar -t | grep -x etc/passwd'
docker rm -f room >/dev/null

feature volumes
is "a named volume outlives its container" "kept" sh -c 'docker run --rm -v data:/data box sh -c "echo kept >/data/file"; docker run --rm -v data:/data box cat /data/file'
docker run -d --name first -v data:/data box sh -c 'until [ -e /data/answer ]; do usleep 10000; done; cat /data/answer' >/dev/null
run --name second -v data:/data box sh -c 'echo shared >/data/answer'
is "two containers share it" "shared" sh -c 'docker wait first >/dev/null; docker logs first'
is "--volumes-from" "shared" run --volumes-from first box cat /data/answer
status "a volume in use stays" 1 docker volume rm data
docker rm -f first >/dev/null
is "and goes afterwards" "data" docker volume rm data
is "a new volume has the image's files" "served" run -v www:/www box cat /www/index.html
mkdir host && echo outside >host/file
is "a bind mount" "outside" run -v "$WORK/host:/mnt" box cat /mnt/file
is "what is written to it is outside" "new" sh -c 'docker run --rm -v "$PWD/host:/mnt" box sh -c "echo new >/mnt/new"; cat host/new'
like "a read-only bind mount" "Read-only file system" run -v "$WORK/host:/mnt:ro" box touch /mnt/x
is "a single file" "outside" run --mount type=bind,source="$WORK/host/file",target=/file,readonly box cat /file

feature networks
docker run -d --name server --hostname srv box sh -c 'httpd -p 80 -h /www && echo ready; sleep 1000' >/dev/null
line ready docker logs -f server >/dev/null
address=$(inspect .NetworkSettings.IPAddress server)
like "a container has a private address" "^172\.1[0-9]\." echo "$address"
is "another one reaches it there" "served" run box wget -qO- "http://$address/"
is "--link: under an alias" "served" run --link server:site box wget -qO- http://site/
docker network create own >/dev/null
docker run -d --name named --network own --network-alias other box sh -c 'httpd -p 80 -h /www && echo ready; sleep 1000' >/dev/null
line ready docker logs -f named >/dev/null
is "on a network of one's own, by its name" "served" run --network own box wget -qO- http://named/
is "and by an alias" "served" run --network own box wget -qO- http://other/
docker run -d --name open -p 127.0.0.1:8080:80 box sh -c 'httpd -p 80 -h /www && echo ready; sleep 1000' >/dev/null
line ready docker logs -f open >/dev/null
is "-p: a published port" "served" busybox wget -qO- http://127.0.0.1:8080/
is "docker port" "127.0.0.1:8080" docker port open 80
is "--net=container: shares the interfaces" "served" run --net=container:server box wget -qO- http://127.0.0.1/
is "--net=none has loopback alone" "lo" run --net=none box ls /sys/class/net
is "--net=host has the host's" "docker0" run --net=host box sh -c 'ls /sys/class/net | grep docker0'
is "docker network connect" 2 sh -c 'docker network connect own server; docker exec server sh -c "ls /sys/class/net | grep -c eth"'
is "--hostname" "srv" docker exec server hostname
like "/etc/hosts has it" "$address[[:space:]]srv" docker exec server cat /etc/hosts
like "--dns goes to resolv.conf" "nameserver 9.9.9.9" run --dns 9.9.9.9 box cat /etc/resolv.conf
docker rm -f server named open >/dev/null
is "docker network rm" "own" docker network rm own

feature namespaces
is "a container has its own processes" 1 shell 'echo $$'
is "--pid=host sees the others" "dockerd" run --pid=host box sh -c 'cat /proc/$1/comm' sh "$(cat dockerd.pid)"
docker run -d --name holder --ipc=shareable --uts=host box sleep 1000 >/dev/null
is "--ipc=container:" "same" sh -c '[ $(docker run --rm --ipc=container:holder box readlink /proc/self/ns/ipc) = $(docker exec holder readlink /proc/self/ns/ipc) ] && echo same'
is "--pid=container:" "sleep" run --pid=container:holder box cat /proc/1/comm
is "--uts=host" "$(hostname)" docker exec holder hostname
docker rm -f holder >/dev/null
is "--init is the first process" "docker-init" run --init box cat /proc/1/comm
is "--env" "one" run -e A=one box sh -c 'echo $A'
is "--env-file" "two" sh -c 'echo B=two >env; docker run --rm --env-file env box sh -c "echo \$B"'

feature security
like "--read-only" "Read-only file system" run --read-only box touch /x
is "--read-only with --tmpfs" "written" run --read-only --tmpfs /scratch:size=1m box sh -c 'echo written >/scratch/x; cat /scratch/x'
is "--tmpfs keeps its size" "1.0M" run --tmpfs /scratch:size=1m box sh -c 'df -h /scratch | tail -n 1 | tr -s " " | cut -d" " -f2'
is "--user" "1000 1000" run --user 1000:1000 box sh -c 'echo $(id -u) $(id -g)'
is "--user by name" "1 1" run --user daemon box sh -c 'echo $(id -u) $(id -g)'
is "--group-add" "0 1234" run --group-add 1234 box id -G
is "--cap-drop ALL" "0000000000000000" run --cap-drop ALL box sed -n 's/CapBnd:.//p' /proc/self/status
is "--cap-add" "0000000000001000" run --cap-drop ALL --cap-add NET_ADMIN box sed -n 's/CapEff:.//p' /proc/self/status
is "--privileged has all capabilities" "$all" effective run --privileged box
status "--privileged may mount" 0 run --privileged box mount -t tmpfs none /tmp
is "--security-opt no-new-privileges" 1 run --security-opt no-new-privileges box sed -n 's/NoNewPrivs:.//p' /proc/self/status
is "a seccomp filter by default" 2 run box sed -n 's/Seccomp:.//p' /proc/self/status
is "--security-opt seccomp=unconfined" 0 run --security-opt seccomp=unconfined box sed -n 's/Seccomp:.//p' /proc/self/status
echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' >profile.json
like "--security-opt seccomp=FILE" "Operation not permitted" run --security-opt seccomp=profile.json box mkdir /x
is "what is masked is empty" "" run box cat /proc/timer_list
like "/proc/sys is read-only" "Read-only file system" shell 'echo 1 >/proc/sys/kernel/printk'
is "--sysctl" "4096" run --sysctl net.core.somaxconn=4096 box cat /proc/sys/net/core/somaxconn
is "--device" "crw-rw-rw- 1, 3" sh -c 'docker run --rm --device /dev/null:/dev/nil box ls -l /dev/nil | tr -s " " | cut -d" " -f1,5,6'
like "other devices are refused" "Operation not permitted" run box sh -c 'mknod /dev/kmsg2 c 1 11; cat /dev/kmsg2'

feature limits
is "--ulimit" "111" run --ulimit nofile=111:222 box sh -c 'ulimit -n'
is "--shm-size" "32.0M" run --shm-size 32m box sh -c 'df -h /dev/shm | tail -n 1 | tr -s " " | cut -d" " -f2'
is "--oom-score-adj" 500 run --oom-score-adj 500 box cat /proc/self/oom_score_adj
limit() { # limit OPTION CONTROLLER EXPECTED FILE-OF-V1 FILE-OF-V2
    if hybrid && [ "$KIND" = casque ]; then
        like "$1: refused, for version 1 holds the controller" \
            "linux.resources[a-z.]*: the $2 controller is not available in cgroup v2" run $1 box true
    else
        like "$1" "^$3$" run $1 -v /sys/fs/cgroup:/cgroup:ro box sh -c \
            "cat /cgroup/$2\$(awk -F: '\$2 ~ /(^|,)$2(,|\$)/ { print \$3 }' /proc/self/cgroup)/$4 2>&1 || cat /sys/fs/cgroup/$5"
    fi
}
limit "--memory 64m" memory 67108864 memory.limit_in_bytes memory.max
limit "--cpus 0.5" cpu "50000( 100000)?" cpu.cfs_quota_us cpu.max
limit "--pids-limit 10" pids 10 pids.max pids.max
limit "--cpu-shares 512" cpu "512|59" cpu.shares cpu.weight
limit "--cpuset-cpus 0" cpuset 0 cpuset.cpus cpuset.cpus
is "a refused container leaves no cgroup" "" sh -c 'find /sys/fs/cgroup -mindepth 3 -path "*/$CGROUP/*" -type d'

feature "restarts and health"
docker run -d --name fails --restart on-failure:5 box sh -c 'echo x >>/tries; [ $(wc -l </tries) = 3 ]' >/dev/null
line "^0$" docker events --since 0 --filter container=fails --filter event=die --format '{{.Actor.Attributes.exitCode}}' >/dev/null
is "--restart on-failure starts it again until it succeeds" "2 exited" inspect ".RestartCount}} {{.State.Status" fails
docker run -d --name health --health-cmd 'test ! -e /ill' --health-interval 200ms --health-retries 1 box sleep 1000 >/dev/null
like "a health check becomes healthy" "health_status: healthy" line "health_status: healthy" docker events --since 0 --filter container=health
docker exec health touch /ill
like "and unhealthy" "health_status: unhealthy" line "health_status: unhealthy" docker events --since 0 --filter container=health
docker rm -f health fails >/dev/null
is "docker events tells a container's life" "create attach start die destroy" sh -c '
    docker run --rm --name brief box true
    echo $(docker events --since 0 --until $(($(date +%s) + 1)) --filter container=brief --filter event=create \
        --filter event=attach --filter event=start --filter event=die --filter event=destroy --format "{{.Action}}")'

feature "the daemon's restart"
docker run -d --name stays box sh -c 'echo begun; trap "exit 6" TERM; while :; do sleep 0.1; done' >/dev/null
lived=$(inspect .State.Pid stays)
stop dockerd
rm -f /run/docker.sock
start dockerd dockerd --cgroup-parent "/$CGROUP" --live-restore
socket /run/docker.sock
is "a container lives on" "running $lived" inspect ".State.Status}} {{.State.Pid" stays
is "exec finds it" "still here" docker exec stays echo still here
is "its log goes on" "begun" docker logs stays
is "it can be stopped" "6" sh -c 'docker stop stays >/dev/null; docker wait stays'
docker rm stays >/dev/null

feature "user namespaces"
stop dockerd
rm -f /run/docker.sock
start dockerd dockerd --cgroup-parent "/$CGROUP" --userns-remap default
socket /run/docker.sock
tar -C root -c . | docker import - box >/dev/null
like "userns-remap: root is nobody outside" "^ +0 +[1-9][0-9]+ +65536" run box cat /proc/self/uid_map
is "its files are its own" "root" run box stat -c %U /etc/passwd
is "exec enters it" 0 sh -c 'docker run -d --name mapped box sleep 1000 >/dev/null; docker exec mapped id -u; docker rm -f mapped >/dev/null'
is "--userns=host leaves it" "0 0" run --userns=host box sh -c 'head -n 1 /proc/self/uid_map | tr -s " " | cut -d" " -f2,3'

feature "clearing up"
stop dockerd
like "nothing of a container is left in the runtime's state" "^0$" sh -c 'find /run/docker/runtime-* -mindepth 2 -maxdepth 2 2>/dev/null | wc -l'
finish
