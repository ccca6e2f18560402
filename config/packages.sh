# SPDX-License-Identifier: GPL-3.0-or-later
# The Debian packages that Sinter stands on, in one place; sourced by the two commands.
PACKAGES_BUILD="cmake ninja-build gcc g++ pkg-config libgrpc-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler
 libprotobuf-dev libuv1-dev libxapian-dev libopenblas-dev libyaml-dev liblmdb-dev libxxhash-dev libutf8proc-dev libjansson-dev libmicrohttpd-dev"
PACKAGES_TEST="libcmocka-dev python3 python3-grpcio python3-protobuf python3-numpy python3-sklearn python3-torch python3-xxhash protobuf-compiler-grpc gcovr strace ccache
 git locales patch procps prometheus curl"
PACKAGES_DEB="dpkg-dev file" # for cpack

# True when all are there; $missing names those that are not.
packages_present() {
    missing=""
    for p in "$@"; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
    done
    [ -z "$missing" ]
}

# Installs those of the given packages that are missing.
packages_install() {
    packages_present "$@" && return 0
    echo "installing:$missing" >&2
    apt-get update -q </dev/null >&2 || return 1
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing </dev/null >&2
}
