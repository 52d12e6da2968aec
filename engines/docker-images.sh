# Docker Engine: images, builds with both of its builders, and a registry: what introductions to Docker teach. Run by
# engines/run; the contract is in lib.sh.
. "${0%/*}/lib.sh"
need docker dockerd busybox iptables docker-registry musl-gcc xz apt-get dpkg-deb bash

run() { timeout --kill-after=5 60 docker run --rm "$@"; }
# build ARGUMENTS: with the builder that is not BuildKit.
build() { DOCKER_BUILDKIT=0 timeout --kill-after=5 120 docker build "$@" 2>&1; }
buildkit() { DOCKER_BUILDKIT=1 timeout --kill-after=5 120 docker build --progress plain "$@" 2>&1; }

# with PROGRAM...: copies programs of this machine and their libraries to where they were, below $into.
with() {
    for program; do
        program=$(command -v "$program") || continue
        { echo "$program"; ldd "$program" | grep -o '/[^ ]*'; }
    done | sort -u | while IFS= read -r file; do
        mkdir -p "$into${file%/*}" && cp -L "$file" "$into$file"
    done
}

# package NAME: a Debian package that holds one program of that name.
package() {
    mkdir -p "deb/DEBIAN" deb/usr/bin "$into/packages"
    printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: none\n' "$1" >deb/DEBIAN/control
    printf '#!/bin/sh\necho this is %s\n' "$1" >"deb/usr/bin/$1" && chmod 755 "deb/usr/bin/$1"
    dpkg-deb -Znone --root-owner-group --build deb "$into/packages/$1.deb" >/dev/null && rm -r deb
    { cat <<ENTRY; } >>"$into/packages/Packages"
Package: $1
Version: 1
Architecture: all
Description: none
Filename: ./$1.deb
Size: $(stat -c %s "$into/packages/$1.deb")
SHA256: $(sha256sum <"$into/packages/$1.deb" | cut -d' ' -f1)

ENTRY
}

# debian: a base image in which apt-get works, out of this machine's own programs and a repository in the image.
debian() {
    into=$WORK/debian
    mkdir -p "$into/etc/apt/apt.conf.d" "$into/var/lib/dpkg/info" "$into/var/lib/dpkg/updates" "$into/var/cache/apt/archives/partial" \
        "$into/var/lib/apt/lists/partial" "$into/usr/bin" "$into/usr/sbin" "$into/usr/lib" "$into/usr/lib64" "$into/root" "$into/var/log/apt"
    for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$into/$dir"; done
    mkdir -m 1777 "$into/tmp"
    with bash apt-get apt-config dpkg dpkg-deb dpkg-split sh cat rm ls tar ldconfig start-stop-daemon diff
    cp -r /usr/lib/apt "$into/usr/lib/" && with $(find /usr/lib/apt/methods/file /usr/lib/apt/methods/copy /usr/lib/apt/methods/store)
    mkdir -p "$into/usr/share" && cp -r /usr/share/dpkg "$into/usr/share/"
    ln -sf bash "$into/usr/bin/sh"
    : >"$into/var/lib/dpkg/status" && echo amd64 >"$into/var/lib/dpkg/arch"
    printf 'root:x:0:0:root:/root:/bin/bash\n_apt:x:42:65534::/:/bin/false\n' >"$into/etc/passwd"
    echo 'deb [trusted=yes] file:/packages ./' >"$into/etc/apt/sources.list"
    echo 'APT::Sandbox::User "root";' >"$into/etc/apt/apt.conf.d/sandbox"
    package vim && package emacs && package apache2
    tar -C "$into" -c . | docker import --change 'CMD ["/bin/bash"]' - debian >/dev/null && docker tag debian ubuntu
}

mkdir -p /etc/docker && block /etc/docker/daemon.json >/etc/docker/daemon.json
fresh /var/lib/docker
# BuildKit in Docker runs what is called runc in the daemon's PATH; here that is a script that notes its calls.
mkdir bin && cat >bin/runc <<SCRIPT
#!/bin/sh
echo "\$@" >>$WORK/buildkit.calls
exec $RUNTIME "\$@"
SCRIPT
chmod 755 bin/runc
start dockerd env PATH="$WORK/bin:$PATH" dockerd --cgroup-parent "/$CGROUP"
socket /run/docker.sock
box root && tar -C root -c . | docker import --change 'CMD ["sh"]' - box >/dev/null

feature images
is "docker tag gives a second name" "box:latest new:1" sh -c 'docker tag box new:1; echo $(docker images --format "{{.Repository}}:{{.Tag}}" | sort)'
is "both are one image" 1 sh -c 'docker images -q | sort -u | wc -l'
like "docker rmi takes a name away" "^Untagged: new:1$" docker rmi new:1
like "docker history" "Imported from" docker history box
is "docker inspect: the command" '["sh"]' docker inspect --format '{{json .Config.Cmd}}' box
docker run --name silly box sh -c 'mkdir -p /usr/bin; printf "#!/bin/sh\\necho edited\\n" >/usr/bin/vi; chmod 755 /usr/bin/vi; rm /etc/group' >/dev/null
like "docker commit makes an image of a container" "^sha256:" docker commit --author me silly box-with-vi
is "what was changed is in it" "edited" run box-with-vi vi
like "what was deleted is not" "No such file" run box-with-vi cat /etc/group
is "the image it came from is as it was" "daemon root" run box sh -c 'echo $(cut -d: -f1 /etc/group | sort)'
is "it has the layers of the other below" 2 sh -c 'docker inspect --format "{{len .RootFS.Layers}}" box-with-vi'
is "docker diff" "D /etc/group" sh -c 'docker diff silly | grep group'
docker rm silly >/dev/null

feature "save and load"
docker save -o saved.tar box box-with-vi
is "docker save writes an archive" "manifest.json repositories" sh -c 'tar -tf saved.tar | grep -xE "manifest.json|repositories" | sort | xargs'
like "with a file for each layer (since Docker 25 an OCI layout)" "^([0-9a-f]{64}/layer.tar|blobs/sha256/[0-9a-f]{64})$" tar -tf saved.tar
docker rmi box-with-vi >/dev/null
like "docker load reads it" "Loaded image: box-with-vi:latest" docker load -i saved.tar
is "it runs" "edited" run box-with-vi vi
is "docker export and import make one layer" 1 sh -c 'docker create --name flat box-with-vi vi >/dev/null; docker export flat | docker import - flat >/dev/null; docker rm flat >/dev/null; docker inspect --format "{{len .RootFS.Layers}}" flat'

feature "the introductions' Dockerfiles"
debian
mkdir 1 2 3 4
printf 'FROM ubuntu\nRUN apt-get update && apt-get install -y vim\n' >1/Dockerfile
like "1. RUN apt-get install -y vim" "^Successfully tagged ubuntu-with-vi-dockfile:latest" build -t ubuntu-with-vi-dockfile 1
is "1. the program is there" "this is vim" run ubuntu-with-vi-dockfile vim
echo 'int puts(const char *); int main(void) { puts("Hello from Docker!"); return 0; }' >hello.c
musl-gcc -static -o 2/hello hello.c
printf 'FROM scratch\nCOPY hello /\nCMD ["/hello"]\n' >2/Dockerfile
like "2. FROM scratch, COPY hello" "^Successfully tagged hello-world:latest" build -t hello-world 2
is "2. says hello" "Hello from Docker!" run hello-world
mkdir centos && into=$WORK/centos && with bash && mkdir -p centos/bin && cp "$(command -v bash)" centos/bin/bash && tar -C centos -cJf 3/centos-7-docker.tar.xz .
printf 'FROM scratch\nADD centos-7-docker.tar.xz /\nCMD ["/bin/bash"]\n' >3/Dockerfile
like "3. FROM scratch, ADD a tar.xz" "^Successfully tagged centos:latest" build -t centos 3
is "3. its shell runs" "a shell" sh -c 'echo "echo a shell" | docker run --rm -i centos'
printf 'FROM debian\nRUN apt-get update\nRUN apt-get install emacs\nRUN apt-get install apache2\nCMD ["/bin/bash"]\n' >4/Dockerfile
like "4. a RUN for each" "^Successfully tagged debian-with-both:latest" build -t debian-with-both 4
is "4. both are there" "this is emacs this is apache2" run debian-with-both bash -c 'echo $(emacs) $(apache2)'
is "4. its layers are the base's and three" 4 docker inspect --format '{{len .RootFS.Layers}}' debian-with-both

feature "the cache"
is "a second build takes every step from the cache" 4 sh -c 'DOCKER_BUILDKIT=0 docker build -t debian-with-both 4 | grep -c "Using cache"'
sed -i 's/install emacs/install -y emacs/' 4/Dockerfile
is "a changed step makes all above it new" 1 sh -c 'DOCKER_BUILDKIT=0 docker build -t debian-with-both 4 | grep -c "Using cache"'
is "--no-cache" 0 sh -c 'DOCKER_BUILDKIT=0 docker build --no-cache -t debian-with-both 4 | grep -c "Using cache"'
is "the images of before are dangling" 2 sh -c 'docker images | grep "<none>" | tr -s " " | cut -f3 -d " " | wc -l'
docker images | grep "<none>" | tr -s ' ' | cut -f3 -d " " | xargs docker rmi >/dev/null
is "and go by the pipeline that everybody learns" "" docker images -q --filter dangling=true
printf 'FROM box\nRUN echo one >/one\nRUN exit 3\n' >bad
like "a failing RUN ends the build" "returned a non-zero code: 3" build -f bad 1
good=$(build -f bad 1 | sed -n 's/^ ---> \([0-9a-f]*\)$/\1/p' | tail -n 1)
is "its last good layer can be run" "one" run "$good" cat /one

feature "Dockerfile instructions"
mkdir all && echo data >all/data && cat >all/Dockerfile <<'FILE'
FROM box AS first
ARG WORD=none
ENV PLACE=/srv GREETING="hello $WORD"
WORKDIR $PLACE
COPY --chown=1:1 data ./
RUN ["cp", "data", "copy"]
RUN id -u >user && echo "$GREETING" >greeting
USER daemon
RUN id -u >/tmp/user
FROM box
LABEL made=here
COPY --from=first /srv /tmp/user /all/
VOLUME /kept
EXPOSE 80
STOPSIGNAL USR1
HEALTHCHECK --interval=1s CMD true
SHELL ["/bin/sh", "-ec"]
RUN false || echo shell >/all/shell
ENTRYPOINT ["cat"]
CMD ["/all/greeting"]
FILE
like "FROM, ARG, ENV, WORKDIR, COPY, RUN, USER, VOLUME, ENTRYPOINT" "^Successfully tagged all:latest" build --build-arg WORD=all -t all all
is "ENTRYPOINT and CMD" "hello all" run all
is "arguments replace CMD" "data" run all /all/copy
is "USER" "1" run all /all/user
is "COPY --chown" "1" run --entrypoint stat all -c %u /all/data
is "VOLUME, EXPOSE, STOPSIGNAL, LABEL" '/kept 80/tcp USR1 here' docker inspect --format '{{range $k, $v := .Config.Volumes}}{{$k}}{{end}} {{range $k, $v := .Config.ExposedPorts}}{{$k}}{{end}} {{.Config.StopSignal}} {{.Config.Labels.made}}' all

feature BuildKit
like "a build" "naming to docker.io/library/kit" buildkit --build-arg WORD=kit -t kit all
is "runs what it made" "hello kit" run kit
like "its RUN steps are run by the runtime" " run --bundle " cat buildkit.calls
printf 'FROM box\nARG N\nRUN --mount=type=cache,target=/cache echo $N >>/cache/n; wc -l </cache/n >/n\n' >cache
is "RUN --mount=type=cache: first" 1 sh -c 'DOCKER_BUILDKIT=1 docker build -q --build-arg N=1 -t c -f cache 1 >/dev/null && docker run --rm c cat /n'
is "RUN --mount=type=cache: second" 2 sh -c 'DOCKER_BUILDKIT=1 docker build -q --build-arg N=2 -t c -f cache 1 >/dev/null && docker run --rm c cat /n'
printf 'FROM box\nRUN --mount=type=secret,id=word cat /run/secrets/word >/seen\n' >secret
is "RUN --mount=type=secret" "secret" sh -c 'echo secret >word; DOCKER_BUILDKIT=1 docker build -q --secret id=word,src=word -t s -f secret 1 >/dev/null && docker run --rm s cat /seen'
printf 'FROM box\nRUN exit 3\n' >bad
like "a failing RUN ends the build" "exit code: 3" buildkit -f bad 1
printf 'FROM box\nRUN <<END\necho here >/here\nEND\n' >heredoc
case $(docker version --format '{{.Server.Version}}') in
20.*) like "heredocs: Docker 20.10 itself does not know them" "unknown instruction|dockerfile parse error" buildkit -f heredoc 1 ;;
*) is "heredocs" "here" sh -c 'DOCKER_BUILDKIT=1 docker build -q -t h -f heredoc 1 >/dev/null && docker run --rm h cat /here' ;;
esac

feature "a registry"
cat >registry.yml <<YML
version: 0.1
storage: { filesystem: { rootdirectory: $WORK/registry } }
http: { addr: 127.0.0.1:5000 }
YML
start registry docker-registry serve registry.yml
line "listening on" tail -f -n +1 registry.log >/dev/null
docker tag hello-world 127.0.0.1:5000/myname/hello-world
like "docker push" "latest: digest: sha256:" docker push 127.0.0.1:5000/myname/hello-world
docker rmi hello-world 127.0.0.1:5000/myname/hello-world >/dev/null
is "docker rmi: it is gone" "" docker images -q 127.0.0.1:5000/myname/hello-world
like "docker pull" "Downloaded newer image" docker pull 127.0.0.1:5000/myname/hello-world
is "it runs" "Hello from Docker!" run 127.0.0.1:5000/myname/hello-world
docker rmi 127.0.0.1:5000/myname/hello-world >/dev/null
like "docker run pulls what is not there" "Hello from Docker!" run 127.0.0.1:5000/myname/hello-world
for tag in 1 1.9 1.9.1 latest; do docker tag box 127.0.0.1:5000/app:$tag && docker push -q 127.0.0.1:5000/app:$tag >/dev/null; done
docker tag box-with-vi 127.0.0.1:5000/app:1.9.2
for tag in 1 1.9 latest; do docker tag box-with-vi 127.0.0.1:5000/app:$tag; done
like "the layers that two images share are pushed once" "Layer already exists" docker push 127.0.0.1:5000/app:1.9.2
for tag in 1 1.9 latest; do docker push -q 127.0.0.1:5000/app:$tag >/dev/null; done
docker images -q 127.0.0.1:5000/app | sort -u | xargs docker rmi -f >/dev/null
docker pull -q -a 127.0.0.1:5000/app >/dev/null
is "moved tags name the newer image, the old one its own" "box-with-vi box-with-vi box-with-vi box" sh -c '
    for tag in 1 1.9 latest 1.9.1; do docker run --rm 127.0.0.1:5000/app:$tag sh -c "test -e /usr/bin/vi && echo box-with-vi || echo box"; done | xargs echo'

feature "clearing up"
like "docker system df" "^Images" docker system df
docker create box >/dev/null
like "docker system prune" "^Total reclaimed space" docker system prune -f
is "no container is left" "" docker ps -aq
finish
