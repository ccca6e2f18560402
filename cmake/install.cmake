# SPDX-License-Identifier: GPL-3.0-or-later
# What `cmake --install BUILD [--prefix DIR]` puts where, in two parts: `server` (Debian: sinter) and `dev` (sinter-dev), which is
# what authors of plugins and clients need. Everything is found from the place of the binary, so a prefix may be moved.
# Debian's layout has libraries below lib/TRIPLET under any prefix, so that one build serves packages and /usr/local alike.
if(NOT DEFINED CMAKE_INSTALL_LIBDIR AND CMAKE_LIBRARY_ARCHITECTURE AND EXISTS /etc/debian_version)
  set(CMAKE_INSTALL_LIBDIR lib/${CMAKE_LIBRARY_ARCHITECTURE} CACHE PATH "Object code libraries")
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(SINTER_INSTALL_PLUGINS ${CMAKE_INSTALL_LIBDIR}/sinter/plugins)
set_source_files_properties(server/config/installed.c PROPERTIES COMPILE_DEFINITIONS
  "SINTER_INSTALL_BIN=\"${CMAKE_INSTALL_BINDIR}\";SINTER_INSTALL_PLUGINS=\"${SINTER_INSTALL_PLUGINS}\"")

set(package ${CMAKE_SOURCE_DIR}/package)
set(docdir ${CMAKE_INSTALL_DATADIR}/doc)

# ---- the server
install(TARGETS sinter RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT server)
get_property(sinter_targets DIRECTORY PROPERTY BUILDSYSTEM_TARGETS)
foreach(target IN LISTS sinter_targets)
  if(target MATCHES "^plugin_(.+)$" AND EXISTS ${CMAKE_SOURCE_DIR}/plugins/${CMAKE_MATCH_1})
    install(TARGETS ${target} LIBRARY DESTINATION ${SINTER_INSTALL_PLUGINS} COMPONENT server)
    install(FILES plugins/${CMAKE_MATCH_1}/README.md DESTINATION ${docdir}/sinter/plugins RENAME ${CMAKE_MATCH_1}.md COMPONENT server)
  endif()
endforeach()
install(DIRECTORY docs/ DESTINATION ${docdir}/sinter COMPONENT server FILES_MATCHING PATTERN "*.md" PATTERN decisions EXCLUDE
        PATTERN clients EXCLUDE)
install(FILES config/README.md DESTINATION ${docdir}/sinter RENAME configuration.md COMPONENT server)
install(DIRECTORY config/collections config/pipelines config/rules config/networks DESTINATION ${docdir}/sinter/examples COMPONENT server)
install(FILES ${package}/completion.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME sinter COMPONENT server)

# What names its own prefix is written when it is installed: manual page, unit, configuration.
set(install_script "
  set(SOURCE [==[${CMAKE_SOURCE_DIR}]==])
  set(BINARY [==[${CMAKE_BINARY_DIR}]==])
  set(VERSION ${PROJECT_VERSION})
  set(BINDIR ${CMAKE_INSTALL_BINDIR})
  set(MANDIR ${CMAKE_INSTALL_MANDIR})
  include([==[${CMAKE_SOURCE_DIR}/cmake/install_written.cmake]==])")
install(CODE "${install_script}" COMPONENT server)

# ---- authors of plugins and of clients
install(DIRECTORY include/sinter DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)
install(FILES cmake/plugin.map DESTINATION ${CMAKE_INSTALL_DATADIR}/sinter COMPONENT dev)
install(DIRECTORY proto/sinter/v1 DESTINATION ${CMAKE_INSTALL_DATADIR}/sinter/proto/sinter COMPONENT dev)
install(DIRECTORY proto/interop/ DESTINATION ${CMAKE_INSTALL_DATADIR}/sinter/proto COMPONENT dev)
install(DIRECTORY docs/clients DESTINATION ${docdir}/sinter-dev COMPONENT dev
        PATTERN node_modules EXCLUDE PATTERN __pycache__ EXCLUDE PATTERN stubs EXCLUDE)
install(DIRECTORY plugins/example plugins/popular DESTINATION ${docdir}/sinter-dev/plugins COMPONENT dev PATTERN tests EXCLUDE)

file(RELATIVE_PATH prefix_from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" prefix_from_pc "${prefix_from_pc}")
configure_file(${package}/sinter-plugin.pc.in ${CMAKE_BINARY_DIR}/package/sinter-plugin.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/package/sinter-plugin.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
configure_package_config_file(${package}/SinterPluginConfig.cmake.in ${CMAKE_BINARY_DIR}/package/SinterPluginConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/SinterPlugin
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_DATADIR CMAKE_INSTALL_BINDIR SINTER_INSTALL_PLUGINS)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/SinterPluginConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/package/SinterPluginConfig.cmake ${CMAKE_BINARY_DIR}/package/SinterPluginConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/SinterPlugin COMPONENT dev)

include(cmake/package.cmake)
