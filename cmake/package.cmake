# SPDX-License-Identifier: GPL-3.0-or-later
# Debian packages of a build that is there: `cpack --config build/release/CPackConfig.cmake -B DIR` writes sinter_VERSION_ARCH.deb and
# sinter-dev_VERSION_ARCH.deb. Needs dpkg-dev and file (config/packages.sh: PACKAGES_DEB).
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sinter)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(SINTER_PACKAGE_CONTACT "Sinter <sinter@example.org>" CACHE STRING "Maintainer of the packages: who builds them")
set(CPACK_PACKAGE_CONTACT "${SINTER_PACKAGE_CONTACT}")
# /etc and /usr by DESTDIR, whatever prefix the build was configured with.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL server dev)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/cmake/package_tree.cmake)
set(CPACK_SINTER_PACKAGE ${CMAKE_SOURCE_DIR}/package)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_SERVER_PACKAGE_NAME sinter)
set(CPACK_DEBIAN_SERVER_PACKAGE_SECTION database)
set(CPACK_DEBIAN_SERVER_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_SERVER_PACKAGE_DEPENDS "adduser")
set(CPACK_DEBIAN_SERVER_PACKAGE_SUGGESTS "sinter-dev, bash-completion")
set(CPACK_DEBIAN_SERVER_DESCRIPTION "search and recommend server with plugin rankers that learn
A server for catalogues: items come in over gRPC, searches come out ranked by
a pipeline of recall sources, rankers, fusion and rules that is written in
YAML. Rankers are shared objects, learn from what people do, and are changed
while the server runs; every hit says why it stands where it stands.")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME sinter-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEV_PACKAGE_RECOMMENDS "sinter, pkg-config")
set(CPACK_DEBIAN_DEV_DESCRIPTION "headers and protocols of the Sinter search server
What authors of plugins (rankers, fusion, recall, rules) and of clients build
with: the headers of the plugin contract with pkg-config and CMake files, the
protocol files of the API, and examples of both.")

# Every file below /etc is the operator's.
file(GLOB_RECURSE etc_files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/package/etc ${CMAKE_SOURCE_DIR}/package/etc/*)
list(TRANSFORM etc_files PREPEND /etc/sinter/ OUTPUT_VARIABLE conffiles)
list(JOIN conffiles "\n" conffiles)
file(WRITE ${CMAKE_BINARY_DIR}/package/conffiles "${conffiles}\n")
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA ${CMAKE_BINARY_DIR}/package/conffiles ${CMAKE_SOURCE_DIR}/package/debian/postinst
    ${CMAKE_SOURCE_DIR}/package/debian/prerm ${CMAKE_SOURCE_DIR}/package/debian/postrm)
include(CPack)
