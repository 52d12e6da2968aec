# containerd by its client ctr, with the shim io.containerd.runc.v2. Run by engines/run; the contract is in lib.sh.
. "${0%/*}/lib.sh"
need containerd ctr busybox

ctr="ctr --namespace $CGROUP"

# image: a root of busybox as an OCI archive.
image() {
    mkdir -p root/bin root/tmp root/etc && cp "$(command -v busybox)" root/bin/
    for applet in sh sleep echo cat id ps kill true tty stty hostname; do ln -s busybox "root/bin/$applet"; done
    tar -C root -cf layer.tar .
    sum=$(sha256sum <layer.tar) && sum=${sum%% *}
    echo "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/bin\"],\"Cmd\":[\"sh\"]},
        \"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$sum\"]}}" >config.json
    echo '[{"Config":"config.json","RepoTags":["test/box:latest"],"Layers":["layer.tar"]}]' >manifest.json
    tar -cf image.tar config.json layer.tar manifest.json
}

feature image
fresh /var/lib/containerd && fresh /opt
start containerd containerd
socket /run/containerd/containerd.sock
image
like "an archive is imported" "docker.io/test/box:latest" $ctr image import image.tar

run="$ctr run --cpu-shares 0 --runc-binary $RUNTIME"
feature run
is "a container writes to standard output" "hello" $run --rm docker.io/test/box:latest one echo hello
status "its exit status is the client's" 7 $run --rm docker.io/test/box:latest two sh -c 'exit 7'
finish
