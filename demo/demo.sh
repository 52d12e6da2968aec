#!/bin/sh
# The main job on one page: a layered archive -> a bundle -> a running container. Called by `make demo`.
#
# The archive is made here as `docker save` makes it, from Debian's static busybox, in three layers: a user land; one
# that replaces a file; one that deletes a file and adds a program.
set -eu

casque=$1
stave=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/casque-demo.XXXXXX")
trap '"$casque" --root "$work/state" delete --force demo || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

say() { printf '\n== %s\n' "$*"; }

# layer N FILE...: packs the files below $work/N as one layer of the image.
layer() {
    mkdir -p "$work/image/$1"
    tar --numeric-owner --owner=0 --group=0 --sort=name --mtime=@1700000000 -C "$work/$1" -cf "$work/image/$1/layer.tar" .
    sum=$(sha256sum <"$work/image/$1/layer.tar")
    diff_ids="${diff_ids:+$diff_ids,}\"sha256:${sum%% *}\""
    layers="${layers:+$layers,}\"$1/layer.tar\""
}

say "Three layers from busybox"
mkdir -p "$work/base/bin" "$work/base/etc" "$work/base/tmp"
cp /bin/busybox "$work/base/bin/busybox"
for name in $(/bin/busybox --list); do
    [ "$name" = busybox ] || ln -s busybox "$work/base/bin/$name"
done
echo "root:x:0:0:root:/root:/bin/sh" >"$work/base/etc/passwd"
echo "the first layer says hello" >"$work/base/etc/motd"
echo "nobody should see this" >"$work/base/etc/deleted"

mkdir -p "$work/second/etc"
echo "the second layer has replaced this line" >"$work/second/etc/motd"

mkdir -p "$work/third/etc"
: >"$work/third/etc/.wh.deleted"
cat >"$work/third/hello" <<'PROGRAM'
#!/bin/sh
echo "process $$ of $(hostname), as $(id -un), on Linux $(uname -r)"
echo "/etc/motd: $(cat /etc/motd)"
[ -e /etc/deleted ] || echo "/etc/deleted: gone, as the third layer asks"
echo "namespaces: $(readlink /proc/self/ns/pid) $(readlink /proc/self/ns/mnt) $(readlink /proc/self/ns/net)"
echo "processes here: $(ps | tail -n +2 | wc -l), network interfaces: $(ls /sys/class/net)"
PROGRAM
chmod 755 "$work/third/hello"

diff_ids='' layers=''
for name in base second third; do layer "$name"; done
cat >"$work/image/config.json" <<CONFIG
{"architecture":"amd64","os":"linux","config":{"Cmd":["/hello"],"WorkingDir":"/",
"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":[$diff_ids]}}
CONFIG
echo "[{\"Config\":\"config.json\",\"RepoTags\":[\"demo:latest\"],\"Layers\":[$layers]}]" >"$work/image/manifest.json"
tar -C "$work/image" -cf "$work/demo.tar" .
tar -tvf "$work/demo.tar"

say "stave unpack: the layers become a bundle"
"$stave" unpack "$work/demo.tar" "$work/bundle"

say "casque plan: what will be done"
"$casque" plan --bundle "$work/bundle" demo

say "casque run: the container's own words"
"$casque" --root "$work/state" run --bundle "$work/bundle" demo

say "What is left of it"
left=$(find "$work/state" -mindepth 1 | wc -l)
echo "$left files of state, and the host's namespaces are still $(readlink /proc/self/ns/pid) $(readlink /proc/self/ns/mnt)"
