# SPDX-License-Identifier: GPL-3.0-or-later
# Run by cpack between install and package: what Debian's rules ask of a package's tree and nobody else does.
set(ENV{DESTDIR} "") # the paths below are whole already
foreach(part IN ITEMS server dev)
  file(GLOB tree LIST_DIRECTORIES ON ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/${part})
  if(NOT tree)
    continue()
  endif()
  set(name sinter)
  if(part STREQUAL dev)
    set(name sinter-dev)
  endif()
  set(doc ${tree}/usr/share/doc/${name})
  file(INSTALL ${CPACK_SINTER_PACKAGE}/debian/copyright DESTINATION ${doc} FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  configure_file(${CPACK_SINTER_PACKAGE}/debian/changelog ${doc}/changelog @ONLY)
  file(GLOB manuals ${tree}/usr/share/man/man1/*.1)
  execute_process(COMMAND gzip -9nf ${doc}/changelog ${manuals} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
