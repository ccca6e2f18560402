# SPDX-License-Identifier: GPL-3.0-or-later
# The files that `sinter plugin new` writes stand in package/plugin and are built into the program: template_NAME[], with dots as _.
file(GLOB templates CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/package/plugin/*)
foreach(template IN LISTS templates)
  get_filename_component(name ${template} NAME)
  string(REPLACE "." "_" name ${name})
  set(out ${CMAKE_BINARY_DIR}/gen/template_${name}.c)
  add_custom_command(OUTPUT ${out} COMMAND ${CMAKE_COMMAND} -DIN=${template} -DOUT=${out} -DNAME=template_${name}
                     -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake DEPENDS ${template} cmake/embed.cmake VERBATIM)
  set_source_files_properties(${out} PROPERTIES COMPILE_OPTIONS -Wno-missing-declarations)
  target_sources(sinter_commands PRIVATE ${out})
endforeach()
