# Podman as a user, with slirp4netns and the overlay of a user namespace. Run by engines/run; the contract is in lib.sh.
. "${0%/*}/podman.inc"
need podman conmon slirp4netns newuidmap busybox script xz curl setpriv useradd

# user: one with a home, ids of its own, a runtime directory, a cgroup, and leave to use /dev/net/tun.
user() {
    useradd --create-home --home-dir "$WORK/user" --uid 4321 --shell /bin/sh casque-user &&
        sed -i /casque-user/d /etc/subuid /etc/subgid && echo casque-user:300000:65536 | tee -a /etc/subuid >>/etc/subgid
    mkdir -p /run/user/4321 /sys/fs/cgroup/user/session && chmod 755 "$WORK"
    chown -R casque-user "$WORK/user" /run/user/4321 /sys/fs/cgroup/user
    mknod -m 666 "$WORK/tun" c 10 200 && mount --bind "$WORK/tun" /dev/net/tun && mount --make-rshared /
    mkdir -p /etc/containers && printf '[storage]\ndriver = "overlay"\n' >/etc/containers/storage.conf
}

# $WORK/as COMMAND...: run by the user, in the user's cgroup.
as() {
    cat >"$WORK/as" <<EOF
#!/bin/sh
echo 0 >/sys/fs/cgroup/user/session/cgroup.procs
exec setpriv --reuid casque-user --regid casque-user --init-groups \\
    env HOME=$WORK/user USER=casque-user XDG_RUNTIME_DIR=/run/user/4321 "\$@"
EOF
    chmod +x "$WORK/as"
}
podman() { "$WORK/as" timeout 60 podman "$@"; }
run() { podman run --rm "$@"; }

feature setup
view && configure && user && as || { no "Podman is set up"; exit 1; }
cd "$WORK/user" || exit 1
status "a root is imported" 0 image
like "podman info names the runtime" "path: $RUNTIME" podman info
is "it knows that it is rootless" "true v2 overlay" podman info -f '{{.Host.Security.Rootless}} {{.Host.CgroupsVersion}} {{.Store.GraphDriverName}}'

feature run
is "a container writes to standard output" "hello" run box echo hello
like "a terminal is one" "^/dev/pts/0" in_pty "$WORK/as" podman run --rm -it box tty
status "the exit status is the program's" 7 run box sh -c 'exit 7'
status "127 for a program that is not there" 127 run box nosuch
status "126 for a file that is no program" 126 run box /etc/passwd
is "its root is the user" "0 4321 1 1 300000 65536" run box sh -c 'echo $(cat /proc/self/uid_map)'
is "the user keeps the id" "4321:4321" run --userns keep-id box sh -c 'echo $(id -u):$(id -g)'
is "another user" "5:6" run --user 5:6 box sh -c 'echo $(id -u):$(id -g)'
is "privileged" "Seccomp: 0" run --privileged box sh -c 'echo $(grep Seccomp: /proc/self/status)'
is "read-only" "fine" run --read-only box sh -c 'touch /x 2>/dev/null || echo fine'
is "without a cgroup" "0::/" run --cgroups disabled box sh -c 'grep ^0:: /proc/self/cgroup'

feature network
podman run -d --name web -p 127.0.0.1:8080:80 box sh -c 'mkdir /www; echo page >/www/index.html; httpd -f -p 80 -h /www' >/dev/null
is "a port that is published" "page" curl -s --retry 5 --retry-connrefused http://127.0.0.1:8080/
is "another's network" "page" run --network container:web box wget -qO- http://127.0.0.1/
is "none" "lo" run --network none box ls /sys/class/net
is "the host's, with its sysfs" "lo" run --network host box ls /sys/class/net

feature life
like "a cgroup in the user's" "^0::/user/[0-9a-f]{64}$" cgroup_of web
is "exec" "0" podman exec web id -u
status "exec of a program that is not there" 127 podman exec web nosuch
like "a terminal in exec" "^/dev/pts/" in_pty "$WORK/as" podman exec -it web tty
like "top" "httpd" podman top web
is "pause" "web" podman pause web
is "a paused container" "paused" podman inspect -f '{{.State.Status}}' web
is "unpause" "web" podman unpause web
status "stop" 0 podman stop -t 1 web
is "its exit status" "137" podman inspect -f '{{.State.ExitCode}}' web
is "start again" "web" podman start web
is "rm" "web" podman rm -f -t 0 web

feature build
mkdir context && printf 'FROM box\nRUN id -u >/built && chown 5 /built\nCMD ["cat", "/built"]\n' >context/Dockerfile
chmod 755 context
status "a Dockerfile" 0 podman build -q -t built context
is "and run" "0" run built
status "a volume" 0 podman volume create data
run -v data:/data box sh -c 'echo kept >/data/file'
is "outlives its container" "kept" run -v data:/data box cat /data/file

feature pods
status "create" 0 podman pod create --name pod --share net,pid
podman run -d --pod pod --name front box sleep 1000 >/dev/null
like "process ids are shared" "sleep 1000" run --pod pod box ps
status "rm" 0 podman pod rm -f -t 0 pod
cat >pod.yaml <<'EOF'
apiVersion: v1
kind: Pod
metadata:
  name: play
  # Podman 4.3 removes the ones that run once before it has seen them end, at times.
  annotations: {io.podman.annotations.init.container.type: always}
spec:
  initContainers:
  - {name: first, image: localhost/box, command: [sh, -c, "echo first >/data/file"], volumeMounts: [{name: data, mountPath: /data}]}
  containers:
  - {name: main, image: localhost/box, command: [sh, -c, "cat /data/file; sleep 1000"], volumeMounts: [{name: data, mountPath: /data}]}
  volumes:
  - {name: data, emptyDir: {}}
EOF
chmod 644 pod.yaml
status "kube play" 0 podman kube play pod.yaml
is "after the init container" "first" podman logs play-main
status "kube down" 0 podman kube down pod.yaml
podman rm -f -t 0 -a >/dev/null
finish
