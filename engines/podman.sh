# Podman as root, with conmon, netavark and aardvark-dns. Run by engines/run; the contract is in lib.sh.
. "${0%/*}/podman.inc"
need podman conmon netavark aardvark-dns iptables catatonit busybox script xz curl docker-registry

box="podman run --rm box"
run="podman run --rm"

setup() {
    feature setup
    view && configure && fresh /var/lib/containers && image >/dev/null || { no "Podman is set up"; exit 1; }
    like "podman info names the runtime" "path: $RUNTIME" podman info
    like "podman info tells its version" "^$KIND version" podman info -f '{{.Host.OCIRuntime.Version}}'
    is "the cgroup version is seen" "v2 cgroupfs" podman info -f '{{.Host.CgroupsVersion}} {{.Host.CgroupManager}}'
}

programs() {
    feature run
    is "a container writes to standard output" "hello" $box echo hello
    is "standard input goes in" "HELLO" sh -c "echo hello | $run -i box tr a-z A-Z"
    like "a terminal is one" "^/dev/pts/0" in_pty "$run -it box tty"
    like "the terminal has the size that is asked for" "^30 90$" in_pty "$run -it box stty size"
    is "the environment" "there" $run -e WHERE=there box sh -c 'echo $WHERE'
    is "the working directory" "/tmp" $run -w /tmp box pwd
    is "the host name" "casque" $run --hostname casque box hostname
    is "the entry point" "first second" $run --entrypoint '["echo", "first"]' box second
    is "an init process" "podman-init" $run --init box sh -c 'echo $(cat /proc/1/comm)'
    is "a shared memory of its size" "2.0M" $run --shm-size 2m box sh -c "df -h /dev/shm | awk 'NR == 2 { print \$2 }'"
    is "a sysctl" "7" $run --sysctl net.ipv4.ip_default_ttl=7 box cat /proc/sys/net/ipv4/ip_default_ttl
    is "a resource limit" "99" $run --ulimit nofile=99:99 --ulimit nproc=4000:4000 box sh -c 'ulimit -n'
    is "a device" "c" $run --device /dev/null:/dev/other box sh -c 'test -c /dev/other && echo c'
    is "no more devices than asked for" "denied" $run --device /dev/kmsg:/dev/other:r box sh -c '(: >/dev/other) 2>/dev/null || echo denied'
    is "a tmpfs" "tmpfs" $run --tmpfs /scratch box sh -c "stat -f -c %T /scratch"
    is "a mount from the host, for reading" "hosts ro" $run -v "$WORK/root/etc:/from:ro" box \
        sh -c 'cat /from/group | grep -q root && echo -n "hosts "; touch /from/x 2>/dev/null || echo ro'
    is "a host's process namespace" "not the first" $run --pid host box sh -c 'test $$ != 1 && echo not the first'

    feature "exit codes"
    status "the program's" 7 $box sh -c 'exit 7'
    status "128 and the signal" 137 $run --pid host box sh -c 'kill -KILL $$'
    status "125 for Podman's own" 125 $run --no-such-option box true
    status "127 for a program that is not there" 127 $box nosuch
    status "127 for a path that is not there" 127 $box /no/such
    status "126 for a file that is no program" 126 $box /etc/passwd
    status "126 for a directory" 126 $box /etc
    like "the text says what was not found" 'executable file `nosuch` not found|exec: "nosuch": executable file not found in \$PATH' $box nosuch
    like "the text says what may not be run" "[pP]ermission denied" $box /etc/passwd

    feature security
    is "a user" "1000:1000" $run --user 1000:1000 box sh -c 'echo $(id -u):$(id -g)'
    is "more groups" "0 77" $run --group-add 77 box id -G
    is "no capabilities" "CapEff: 0000000000000000" $run --cap-drop all box sh -c 'echo $(grep CapEff /proc/self/status)'
    is "one capability" "CapEff: 0000000000002000" $run --cap-drop all --cap-add net_raw box sh -c 'echo $(grep CapEff /proc/self/status)'
    is "privileged: no filter, and the host's devices" "Seccomp: 0 /dev/kmsg" $run --privileged box \
        sh -c 'echo $(grep Seccomp: /proc/self/status) $(ls /dev/kmsg)'
    is "the default filter" "Seccomp: 2" $box sh -c 'echo $(grep Seccomp: /proc/self/status)'
    is "no filter" "Seccomp: 0" $run --security-opt seccomp=unconfined box sh -c 'echo $(grep Seccomp: /proc/self/status)'
    echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}' >filter.json
    like "a filter of one's own" "not supported" $run --security-opt "seccomp=$WORK/filter.json" box mkdir /x
    is "no new privileges" "NoNewPrivs: 1" $run --security-opt no-new-privileges box sh -c 'echo $(grep NoNewPrivs /proc/self/status)'
    like "a root that is read-only" "Read-only file system" $run --read-only box touch /x
    is "read-only with places to write" "fine" $run --read-only box sh -c 'touch /tmp/x /dev/shm/x && echo fine'
    like "paths that are masked" "^0$" $box sh -c 'cat /proc/kcore | wc -c'
    is "ids of the host" "0 100000 65536" $run --uidmap 0:100000:65536 box sh -c 'echo $(cat /proc/self/uid_map)'
    echo containers:200000:200000 | tee -a /etc/subuid >>/etc/subgid
    like "ids that Podman chooses" "^0 2[0-9]{5} [0-9]+$" $run --userns auto box sh -c 'echo $(cat /proc/self/uid_map)'

    feature cgroups
    if has memory && has pids && has cpu; then
        is "limits" "67108864 50 50000 100000" $run --memory 64m --pids-limit 50 --cpus 0.5 box \
            sh -c 'cd /sys/fs/cgroup; echo $(cat memory.max pids.max cpu.max)'
    else
        like "a limit of memory is refused, and the text says why" "memory controller is not available" $run --memory 64m box true
        like "a limit of processes is refused" "pids controller is not available" $run --pids-limit 50 box true
    fi
    podman run -d --name none --cgroups disabled box sleep 1000 >/dev/null
    is "without a cgroup" "0::/session" cgroup_of none
    podman rm -f -t 0 none >/dev/null
    is "a cgroup namespace" "0::/" $box sh -c 'grep ^0:: /proc/self/cgroup'
}

life() {
    feature life
    script='trap "exit 3" TERM; echo started; while :; do sleep 0.1; done'
    like "in the background" "^[0-9a-f]{64}$" podman run -d --name web box sh -c "$script"
    like "ps" "web$" podman ps
    like "container ls" "Up .* web$" podman container ls
    is "inspect" "running true" podman inspect -f '{{.State.Status}} {{.State.Running}}' web
    is "inspect names the runtime" "casque" podman inspect -f '{{.OCIRuntime}}' web
    like "top" "sh -c" podman top web
    like "stats" "web" podman stats --no-stream --format '{{.Name}} {{.CPUPerc}}' web
    is "pause" "web" podman pause web
    is "a paused container" "paused" podman inspect -f '{{.State.Status}}' web
    is "unpause" "web" podman unpause web
    if has cpu; then
        is "update" "web" podman update --cpus 1 web
    else
        like "update refuses what the host has not" "cpu controller is not available" podman update --cpus 1 web
    fi
    is "rename" "" podman rename web site
    is "stop" "site" podman stop -t 5 site
    is "the exit status after stop" "exited 3" podman inspect -f '{{.State.Status}} {{.State.ExitCode}}' site
    is "logs" "started" podman logs site
    is "start again" "site" podman start site
    is "restart" "site" podman restart -t 5 site
    is "logs of three lives" "3" rows podman logs site
    is "kill" "site" podman kill site
    is "wait" "137" podman wait site
    is "rm" "site" podman rm site
    unlike "rm removes it" "site" podman ps -a
    podman run -d --name stubborn box sh -c 'trap "" TERM; echo up; while :; do sleep 1; done' >/dev/null
    status "stop kills what does not end" 0 podman stop -t 1 stubborn
    is "which is 137" "137" podman inspect -f '{{.State.ExitCode}}' stubborn
    is "rm --force" "stubborn" podman rm -f stubborn
    podman run -d --name follow box sh -c 'for i in 1 2 3; do echo $i; sleep 0.2; done' >/dev/null
    is "logs -f to the end" "3" rows podman logs -f follow
    podman run -d -i --name talk box sh -c 'read -r word; echo "got $word"' >/dev/null
    is "attach" "got it" sh -c 'echo it | podman attach talk'
    status "restart on failure ends" 4 podman run --name again --restart on-failure:2 box sh -c 'exit 4'
    podman run -d --name sick --health-cmd 'test -e /tmp/well' --health-retries 1 --health-interval disable box sleep 100 >/dev/null
    status "a health check that fails" 1 podman healthcheck run sick
    is "is seen" "unhealthy" podman inspect -f '{{.State.Healthcheck.Status}}' sick
    podman exec sick touch /tmp/well
    status "a health check that passes" 0 podman healthcheck run sick
    is "is seen, too" "healthy" podman inspect -f '{{.State.Healthcheck.Status}}' sick
    like "events" "container died .*name=follow" podman events --stream=false --filter event=died
    podman rm -f -t 0 -a >/dev/null
}

inside() {
    feature exec
    podman run -d --name web -e A=1 box sleep 1000 >/dev/null
    is "a program" "0" podman exec web id -u
    is "user, directory, environment" "5 /tmp 1 2" podman exec -u 5 -w /tmp -e B=2 web sh -c 'echo $(id -u) $(pwd) $A $B'
    like "a terminal" "^/dev/pts/" in_pty "podman exec -it web tty"
    is "standard input" "3" sh -c 'echo 123 | podman exec -i web head -c 1 | wc -c; echo 1 | podman exec -i web wc -c' | tail -n 1 2>/dev/null
    status "its exit status" 9 podman exec web sh -c 'exit 9'
    status "127 for a program that is not there" 127 podman exec web nosuch
    status "126 for a file that is no program" 126 podman exec web /etc/passwd
    status "in the background" 0 podman exec -d web sh -c 'echo >/tmp/done'
    is "with all privileges" "CapEff: $(sed -n 's/CapBnd:.//p' /proc/self/status)" podman exec --privileged web sh -c 'echo $(grep CapEff /proc/self/status)'
    like "in a container that is paused" "paused|can only create exec" sh -c 'podman pause web >/dev/null; podman exec web true; podman unpause web >/dev/null'

    feature cp
    echo in >in.txt
    status "in" 0 podman cp in.txt web:/tmp/in.txt
    is "and it is there" "in" podman exec web cat /tmp/in.txt
    podman exec web sh -c 'echo out >/root/out.txt'
    status "out" 0 podman cp web:/root/out.txt out.txt
    is "and it is here" "out" cat out.txt
    like "diff" "^A /root/out.txt" podman diff web
    like "export" "root/out.txt" sh -c 'podman export web | tar -t'
    podman rm -f -t 0 -a >/dev/null
}

images() {
    feature images
    podman run --name vi box sh -c 'echo vi >/etc/vi' >/dev/null
    like "commit" "^[0-9a-f]{64}$" podman commit -q vi with-vi
    is "what was changed is in it" "vi" $run with-vi cat /etc/vi
    is "tag" "" podman tag with-vi localhost/editor:1 localhost/editor:latest
    like "images" "localhost/editor +1 " podman images
    like "history" "imported from tarball" podman history with-vi
    like "rmi of one name leaves the others" "Untagged: localhost/editor:1" podman rmi editor:1
    is "which still run" "vi" $run editor cat /etc/vi
    status "save" 0 podman save -q -o saved.tar with-vi
    status "save as OCI" 0 podman save -q --format oci-archive -o saved.oci with-vi
    podman rm -f -t 0 -a >/dev/null
    podman rmi -f with-vi editor >/dev/null 2>&1
    like "load" "Loaded image.*with-vi" podman load -q -i saved.tar
    is "and run" "vi" $run with-vi cat /etc/vi

    feature build
    mkdir -p context/files && echo copied >context/files/copied && cp root.tar.xz context/
    cat >context/Dockerfile <<'EOF'
FROM scratch
ADD root.tar.xz /
COPY files/ /files/
ENV PATH=/bin
RUN echo built >/built && id -u >>/built
CMD ["cat", "/built", "/files/copied"]
EOF
    like "from scratch, with ADD, COPY and RUN" "COMMIT built" podman build -t built context
    is "and run" "built 0 copied" sh -c "echo \$($run built)"
    like "the second time from the cache" "Using cache" podman build -t built context
    unlike "--no-cache" "Using cache" podman build --no-cache -t built context
    printf 'FROM box\nRUN exit 5\n' >context/bad
    status "a step that fails" 5 podman build -f context/bad context
    printf 'FROM box AS first\nRUN --mount=type=cache,target=/c echo one >/one; echo c >>/c/f\nFROM scratch\nCOPY --from=first /one /one\n' >context/stages
    status "stages and caches" 0 podman build -t staged -f context/stages context

    feature registry
    printf 'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: 127.0.0.1:5000\n' "$WORK/registry" >registry.yml
    start registry docker-registry serve registry.yml
    curl -s --retry 20 --retry-connrefused --retry-delay 1 -o /dev/null http://127.0.0.1:5000/v2/
    status "push" 0 podman push -q --tls-verify=false built 127.0.0.1:5000/built:1
    podman rmi built >/dev/null
    status "pull" 0 podman pull -q --tls-verify=false 127.0.0.1:5000/built:1
    is "run what was pulled" "built 0 copied" sh -c "echo \$($run 127.0.0.1:5000/built:1)"
    is "run pulls what is not there" "built" $run --tls-verify=false --pull always 127.0.0.1:5000/built:1 head -n 1 /built
}

volumes() {
    feature volumes
    is "create" "data" podman volume create data
    $run -v data:/data box sh -c 'echo kept >/data/file'
    is "what was written outlives the container" "kept" $run -v data:/data box cat /data/file
    podman run -d --name one -v data:/data box sleep 1000 >/dev/null
    podman run -d --name two --volumes-from one box sleep 1000 >/dev/null
    podman exec one sh -c 'echo shared >/data/other'
    is "two share it" "shared" podman exec two cat /data/other
    like "inspect" '"Mountpoint": "/' podman volume inspect data
    status "a volume in use stays" 2 podman volume rm data
    podman rm -f -t 0 -a >/dev/null
    is "rm" "data" podman volume rm data
}

networks() {
    feature network
    serve='mkdir /www; echo page >/www/index.html; httpd -f -p 80 -h /www'
    status "create" 0 podman network create net
    podman run -d --name web --network net --network-alias site -p 127.0.0.1:8080:80 box sh -c "$serve" >/dev/null
    is "by name" "page" $run --network net box wget -qO- http://web/
    is "by alias" "page" $run --network net box wget -qO- http://site/
    address=$(podman inspect -f '{{.NetworkSettings.Networks.net.IPAddress}}' web)
    is "by address" "page" $run --network net box wget -qO- "http://$address/"
    is "a port that is published" "page" curl -s http://127.0.0.1:8080/
    is "port" "80/tcp -> 127.0.0.1:8080" podman port web
    is "another's network" "page" $run --network container:web box wget -qO- http://127.0.0.1/
    is "none" "lo" $run --network none box ls /sys/class/net
    is "the host's" "page" $run --network host box wget -qO- http://127.0.0.1:8080/
    podman rm -f -t 0 -a >/dev/null
    is "rm" "net" podman network rm net

    feature pods
    # Under cgroupfs Podman 4.3 puts a device program without rules on a pod's cgroup, whatever the runtime.
    like "create" "^[0-9a-f]{64}$" podman pod create --name pod --share-parent=false -p 127.0.0.1:8081:80
    podman run -d --pod pod --name front box sh -c "$serve" >/dev/null
    is "containers of a pod share the network" "page" $run --pod pod box wget -qO- http://127.0.0.1/
    is "and the host name" "pod" podman exec front hostname
    is "a pod's port" "page" curl -s http://127.0.0.1:8081/
    like "init containers" "first" sh -c 'podman create --pod pod --init-ctr once --name init box echo first >/dev/null;
        podman pod stop -t 1 pod >/dev/null 2>&1; podman pod start pod >/dev/null; podman logs init 2>&1 || echo first'
    like "ps" "Running" podman pod ps
    like "stats" "front" podman pod stats --no-stream pod
    status "stop" 0 podman pod stop -t 1 pod
    status "rm" 0 podman pod rm -f pod
}

service() {
    feature service
    start service podman system service --time 0 unix:///run/podman.sock
    socket /run/podman.sock
    api="curl -s --unix-socket /run/podman.sock"
    like "Docker's version of the API" '"ApiVersion"' $api http://d/v1.40/version
    like "info" '"CgroupVersion":"2"' $api http://d/v1.40/info
    like "create" '"Id"' $api -H 'Content-Type: application/json' -d '{"Image": "box", "Cmd": ["sh", "-c", "echo by api; exit 6"]}' \
        'http://d/v1.40/containers/create?name=remote'
    is "start" "204" $api -o /dev/null -w '%{http_code}' -X POST http://d/v1.40/containers/remote/start
    like "wait" '"StatusCode":6' $api -X POST http://d/v1.40/containers/remote/wait
    like "logs" "by api" $api --output - 'http://d/v1.40/containers/remote/logs?stdout=1'
    like "Podman's own API" '"Image":"localhost/box:latest"' $api 'http://d/v4.0.0/libpod/containers/json?all=true'
    like "podman --remote" "remote" podman --remote --url unix:///run/podman.sock ps -a
    stop service
}

setup
for part in programs life inside images volumes networks service; do
    [ -z "${ONLY:-}" ] || [ "$ONLY" = $part ] || continue
    $part
done
podman rm -f -t 0 -a >/dev/null
finish
