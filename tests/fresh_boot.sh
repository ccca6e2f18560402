#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Run by tests/fresh.sh: sh fresh_boot.sh ROOT. Boots the system in ROOT, where sinter and systemd are installed, with its own systemd in
# namespaces of its own, and tries the unit: started at boot, confined, reloaded, restarted, stopped. Exit code 77: not allowed here.
set -u
ROOT=$1

if [ "${BOOT_INSIDE-}" != 1 ]; then
    unshare --mount --pid --cgroup --net --ipc --uts --fork --propagation private true 2>/dev/null || exit 77
    cat >"$ROOT/root/probe.sh" <<'PROBE'
exec >/root/probe.out 2>&1
try() { what=$1; shift; if "$@"; then echo "ok   $what"; else echo "FAIL $what"; fi; }
state() { systemctl show -p "$1" --value sinter; }
running() { i=0; until [ "$(state ActiveState)" = active ]; do [ $i -lt 100 ] || return 1; sleep 0.2; i=$((i + 1)); done; }
finds() { i=0; until sinter search items red shoe | grep -q "Red shoe of leather"; do [ $i -lt 50 ] || return 1; sleep 0.2; i=$((i + 1)); done; }
status() { grep -q "$1" "/proc/$(state MainPID)/status"; }
not() { ! "$@"; }
try "it is active after boot: systemd was told" running
printf '%s\n' '{"id": "1", "title": "Red shoe of leather"}' >/tmp/items.jsonl
try "it takes items" sinter import items /tmp/items.jsonl --quiet
try "and answers" finds
try "without a capability" status "^CapEff:	0000000000000000$"
try "with a filter of system calls" status "^Seccomp:	2$"
try "and no way to new privileges" status "^NoNewPrivs:	1$"
sed -i 's/keep: 200/keep: 100/' /etc/sinter/pipelines/items.yaml
try "reload" systemctl reload sinter
echo 'nonsense: 1' >>/etc/sinter/pipelines/items.yaml
try "a reload that is refused is told" not systemctl reload sinter
try "with its place" sh -c 'journalctl -u sinter | grep -q "items.yaml:[0-9]*:[0-9]*: .*nonsense"'
try "and the server goes on" finds
sed -i '/nonsense/d' /etc/sinter/pipelines/items.yaml
try "restart" systemctl restart sinter
try "and it still has its items" finds
kill -KILL "$(state MainPID)"
sleep 0.5
try "killed, it comes back" running
try "with its items" finds
try "stop" systemctl stop sinter
try "in order" [ "$(state Result)" = success ]
echo done
systemctl poweroff --force --force
PROBE
    printf '%s\n' '[Service]' Type=oneshot 'ExecStart=/bin/sh /root/probe.sh' TimeoutStartSec=120 >"$ROOT/etc/systemd/system/probe.service"
    mkdir -p "$ROOT/etc/systemd/system/multi-user.target.wants" "$ROOT/old"
    ln -sf ../probe.service "$ROOT/etc/systemd/system/multi-user.target.wants/probe.service"
    rm -f "$ROOT/root/probe.out"
    BOOT_INSIDE=1 timeout -k 5 150 unshare --mount --pid --cgroup --net --ipc --uts --fork --propagation private sh "$0" "$ROOT" >"$ROOT/root/boot.log" 2>&1
    [ -s "$ROOT/root/probe.out" ] || { tail -n 5 "$ROOT/root/boot.log"; exit 77; }
    cat "$ROOT/root/probe.out"
    grep -q '^done$' "$ROOT/root/probe.out" && ! grep -q '^FAIL' "$ROOT/root/probe.out"
    exit
fi

# Inside: what a container's manager mounts, then systemd in place of this shell.
mount --bind "$ROOT" "$ROOT" && mount -t proc proc "$ROOT/proc" && mount -t sysfs -o ro sysfs "$ROOT/sys" || exit 1
for folder in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$ROOT/$folder" || exit 1; done
chmod 1777 "$ROOT/tmp"
mount -t cgroup2 cgroup2 "$ROOT/sys/fs/cgroup" || exit 1
for device in null zero full random urandom tty; do touch "$ROOT/dev/$device" && mount --bind "/dev/$device" "$ROOT/dev/$device"; done
mkdir "$ROOT/dev/shm" "$ROOT/dev/pts" "$ROOT/dev/mqueue" "$ROOT/dev/hugepages"
mount -t tmpfs tmpfs "$ROOT/dev/shm" && mount -t devpts -o newinstance,ptmxmode=0666 devpts "$ROOT/dev/pts" || exit 1
ln -s /proc/self/fd "$ROOT/dev/fd"
ln -s pts/ptmx "$ROOT/dev/ptmx"
touch "$ROOT/dev/console"
cd "$ROOT" && pivot_root . old || exit 1
# A root of its own, not chroot's: in that no user namespace may be made.
exec chroot . /bin/sh -c 'umount -l /old; exec /usr/bin/env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --show-status=no'
