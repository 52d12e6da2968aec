# Buildah as root, with --isolation oci, which runs a runtime without conmon. Run by engines/run; the contract is in lib.sh.
. "${0%/*}/podman.inc"
need buildah podman busybox script xz catatonit

feature setup
view && configure && fresh /var/lib/containers && image >/dev/null || { no "Buildah is set up"; exit 1; }
export BUILDAH_ISOLATION=oci BUILDAH_RUNTIME="$RUNTIME"
buildah() { timeout 60 buildah "$@"; }

feature run
is "from" "box-working-container" buildah from box
is "a program" "hello" buildah run box-working-container echo hello
is "its exit status is told" "7" sh -c 'buildah run box-working-container sh -c "exit 7" 2>/dev/null; echo $?'
like "a program that is not there" 'executable file not found in \$PATH' buildah run box-working-container nosuch
is "a user" "5" buildah run --user 5 box-working-container id -u
is "no capabilities" "CapEff: 0000000000000000" buildah run --cap-drop all box-working-container sh -c 'echo $(grep CapEff /proc/self/status)'
is "a volume" "/from/group" buildah run -v "$WORK/root/etc:/from:ro" box-working-container ls /from/group
is "the host name" "made" buildah run --hostname made box-working-container hostname
is "standard input" "in" sh -c 'echo in | buildah run box-working-container cat'
like "a terminal" "^/dev/pts/" in_pty buildah run -t box-working-container tty
status "what is written stays" 0 buildah run box-working-container sh -c 'echo kept >/kept'
is "for the next run" "kept" buildah run box-working-container cat /kept

feature image
echo copied >copied
status "copy" 0 buildah copy -q box-working-container copied /copied
is "add unpacks an archive" "" sh -c 'buildah add -q box-working-container root.tar.xz /unpacked >/dev/null'
is "and it is there" "/unpacked/bin/busybox" buildah run box-working-container ls /unpacked/bin/busybox
status "config" 0 buildah config --cmd 'cat /copied /kept' --env WHERE=there box-working-container
status "commit" 0 buildah commit -q box-working-container made
is "podman runs what Buildah made" "copied kept" sh -c 'echo $(podman run --rm made)'
status "rm" 0 buildah rm box-working-container

feature build
mkdir context && cp root.tar.xz copied context/
cat >context/Dockerfile <<'EOF'
FROM scratch
ADD root.tar.xz /
ENV PATH=/bin
COPY copied /copied
ARG WHAT=nothing
RUN echo $WHAT >/built
USER 5
RUN id -u >/tmp/user
EOF
chmod 1777 root/tmp && tar -C root -cJf context/root.tar.xz .
like "bud" "COMMIT built" buildah bud --build-arg WHAT=something -t built context
is "and run" "something 5" sh -c 'echo $(podman run --rm built cat /built /tmp/user)'
like "layers from the cache" "Using cache" sh -c 'buildah bud --layers -t built context >/dev/null 2>&1; buildah bud --layers -t built context'
printf 'FROM box\nRUN nosuch\n' >context/bad
status "a step that fails" 127 buildah bud -f context/bad context
printf 'FROM box\nRUN --mount=type=tmpfs,target=/m touch /m/x && stat -f -c %%T /m\nRUN --network=none ls /sys/class/net\n' >context/mounts
like "mounts of a step" "^tmpfs" buildah bud -f context/mounts context
like "a limit of memory is refused, or kept" "memory controller is not available|COMMIT" buildah bud --memory 64m -t limited -f context/mounts context
finish
