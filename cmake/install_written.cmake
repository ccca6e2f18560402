# SPDX-License-Identifier: GPL-3.0-or-later
# Run by `cmake --install`: writes what depends on the prefix or on the binary. Gets SOURCE, BINARY, VERSION, BINDIR, MANDIR.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(etc /etc)
  set(state /var/lib/sinter)
else()
  set(etc ${CMAKE_INSTALL_PREFIX}/etc)
  set(state ${CMAKE_INSTALL_PREFIX}/var/lib/sinter)
endif()
set(PROGRAM ${CMAKE_INSTALL_PREFIX}/${BINDIR}/sinter)
set(CONFIG ${etc}/sinter/sinter.yaml)
set(STATE ${state})
set(written ${BINARY}/package/written)
file(MAKE_DIRECTORY ${written})

# The manual is what the commands' own --help say.
execute_process(COMMAND sh ${SOURCE}/package/manual.sh ${BINARY}/bin/sinter ${VERSION} OUTPUT_FILE ${written}/sinter.1 RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "package/manual.sh could not write the manual page: ${failed}")
endif()
file(INSTALL ${written}/sinter.1 DESTINATION ${CMAKE_INSTALL_PREFIX}/${MANDIR}/man1)

configure_file(${SOURCE}/package/sinter.service.in ${written}/sinter.service @ONLY)
file(INSTALL ${written}/sinter.service DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/systemd/system)

# A configuration that is there already is the operator's.
file(GLOB_RECURSE parts RELATIVE ${SOURCE}/package/etc ${SOURCE}/package/etc/*)
foreach(part IN LISTS parts)
  if(EXISTS $ENV{DESTDIR}${etc}/sinter/${part})
    message(STATUS "Left as it is: ${etc}/sinter/${part}")
    continue()
  endif()
  configure_file(${SOURCE}/package/etc/${part} ${written}/etc/${part} @ONLY)
  get_filename_component(folder ${part} DIRECTORY)
  file(INSTALL ${written}/etc/${part} DESTINATION ${etc}/sinter/${folder})
endforeach()
