# SPDX-License-Identifier: GPL-3.0-or-later
# Each folder plugins/NAME with C files is one shared object build/plugins/NAME.so. It sees include/sinter and its own
# folder, nothing of the server, and exports one symbol.
# Besides, the libraries that a plugin names here.
set(SINTER_PLUGIN_LIBS_cf openblas)
set(SINTER_PLUGIN_LIBS_deep openblas)
file(GLOB plugin_dirs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/plugins/*/*.c)
set(seen "")
foreach(source IN LISTS plugin_dirs)
  get_filename_component(dir ${source} DIRECTORY)
  get_filename_component(name ${dir} NAME)
  if(name IN_LIST seen)
    continue()
  endif()
  list(APPEND seen ${name})
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.c)
  add_library(plugin_${name} MODULE ${sources})
  set_target_properties(plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
                        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
  target_compile_options(plugin_${name} PRIVATE $<$<C_COMPILER_ID:GNU>:-fno-gnu-unique>)
  # Plugins are loops over candidates. Nothing here reads errno or floating-point flags, and without them loops vectorise.
  target_compile_options(plugin_${name} PRIVATE -fno-math-errno -fno-trapping-math $<$<CONFIG:Release>:-O3>)
  target_link_options(plugin_${name} PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/plugin.map)
  target_link_libraries(plugin_${name} PRIVATE sinter_flags m)
  foreach(lib IN LISTS SINTER_PLUGIN_LIBS_${name})
    target_link_libraries(plugin_${name} PRIVATE sinter_lib_${lib})
  endforeach()
endforeach()
