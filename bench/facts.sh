#!/bin/sh
# What a container looks like from inside: run in the one that the floor makes and in the one that casque makes, which must
# not differ, for a floor that leaves something out would be no floor. Needs busybox alone.
echo "== mounts"
cat /proc/self/mountinfo
echo "== devices"
ls -lR /dev | sed -e 's/  *[A-Z][a-z][a-z]  *[0-9]*  *[0-9:]* / /' -e '/^total/d' -e 's/, */,/'
echo "== process"
grep -E '^(Uid|Gid|Groups|Cap.*|NoNewPrivs|Seccomp|NSpid|NSsid):' /proc/self/status
echo "umask $(umask) cwd $(pwd)"
cat /proc/self/limits
cat /proc/self/cgroup
echo "== host"
hostname
cat /proc/net/dev | cut -d: -f1
echo "== masked"
for path in /proc/acpi /proc/kcore /proc/keys /proc/timer_list /sys/firmware /proc/scsi; do
	ls -l "$path" 2>&1 | sed 's/  *[A-Z][a-z][a-z]  *[0-9]*  *[0-9:]* / /'
done
for path in /proc/sys/kernel/hostname /proc/sysrq-trigger /new; do
	(: >>"$path") 2>/dev/null && echo "$path can be written"
done
echo "== namespaces"
for kind in cgroup ipc mnt net pid user uts; do
	echo "$(readlink /proc/self/ns/$kind)"
done
