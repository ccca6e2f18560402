# SPDX-License-Identifier: GPL-3.0-or-later
# The libraries we stand on, each as sinter_lib_NAME. gRPC is linked without pkg-config, which would drag in ~70 absl libraries.
find_package(PkgConfig REQUIRED)

function(sinter_pkg name module)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
  add_library(sinter_lib_${name} INTERFACE)
  target_link_libraries(sinter_lib_${name} INTERFACE PkgConfig::${name})
endfunction()

function(sinter_plain name)
  add_library(sinter_lib_${name} INTERFACE)
  target_link_libraries(sinter_lib_${name} INTERFACE ${ARGN})
endfunction()

sinter_pkg(xxhash libxxhash)
sinter_pkg(utf8proc libutf8proc)
sinter_pkg(yaml yaml-0.1)
sinter_pkg(lmdb lmdb)
sinter_pkg(xapian xapian-core)
sinter_pkg(openblas openblas)
sinter_pkg(protobufc libprotobuf-c)
sinter_pkg(uv libuv)
sinter_pkg(jansson jansson)
sinter_pkg(microhttpd libmicrohttpd)
sinter_plain(pthread pthread)
sinter_plain(dl dl)
sinter_plain(m m)
sinter_plain(grpc grpc gpr)
