# SPDX-License-Identifier: GPL-3.0-or-later
# Unit tests mirror server/: tests/unit/ROOM/test_*.c (or .cc), one program each, linked with that room and what it uses.
# A plugin's own tests are plugins/NAME/tests/test_*.c; they see the plugin's folder and include/sinter.
find_package(PkgConfig REQUIRED)
pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
set(SINTER_TEST_ENV "SINTER_SOURCE=${CMAKE_SOURCE_DIR}" "SINTER_BUILD=${CMAKE_BINARY_DIR}" "OPENBLAS_NUM_THREADS=1")

foreach(room IN LISTS SINTER_ROOMS)
  file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/unit/${room}/test_*.c ${CMAKE_SOURCE_DIR}/tests/unit/${room}/test_*.cc)
  foreach(source IN LISTS tests)
    get_filename_component(stem ${source} NAME_WE)
    set(t unit_${room}_${stem})
    add_executable(${t} ${source})
    # A unit test may look into its room's private headers.
    target_include_directories(${t} PRIVATE ${CMAKE_SOURCE_DIR}/server ${CMAKE_SOURCE_DIR}/tests/unit)
    target_link_libraries(${t} PRIVATE sinter_flags sinter_${room} PkgConfig::cmocka)
    add_test(NAME ${room}/${stem} COMMAND ${t})
    set_tests_properties(${room}/${stem} PROPERTIES ENVIRONMENT "${SINTER_TEST_ENV}" LABELS unit TIMEOUT 300)
  endforeach()
endforeach()

# The zoo: plugins with one fault each, which the host and `sinter plugin check` must bear. extra_symbol is linked without
# the map that hides everything but the entry.
file(GLOB zoo_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/plugin/zoo/*.c)
add_custom_target(zoo)
foreach(source IN LISTS zoo_sources)
  get_filename_component(name ${source} NAME_WE)
  add_library(zoo_${name} MODULE ${source})
  set_target_properties(zoo_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/zoo)
  if(NOT name STREQUAL "extra_symbol")
    target_link_options(zoo_${name} PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/plugin.map)
  endif()
  target_link_libraries(zoo_${name} PRIVATE sinter_flags m)
  add_dependencies(zoo zoo_${name})
endforeach()
# Builds of one ranker, for swaps: number and kind, as tests/plugin/tide/tide.c tells.
foreach(build IN ITEMS "1 0 tide" "2 0 tide" "3 7 tide" "4 1 tide" "5 2 tide" "6 3 tide" "7 4 tide" "8 5 tide" "9 6 tide" "10 0 ebb" "11 8 tide")
  separate_arguments(build)
  list(GET build 0 number)
  list(GET build 1 kind)
  list(GET build 2 name)
  add_library(tide_${number} MODULE ${CMAKE_SOURCE_DIR}/tests/plugin/tide/tide.c)
  set_target_properties(tide_${number} PROPERTIES PREFIX "" OUTPUT_NAME ${number} LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tide)
  target_compile_definitions(tide_${number} PRIVATE TIDE_BUILD=${number} TIDE_KIND=${kind} TIDE_NAME="${name}")
  target_link_options(tide_${number} PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/plugin.map)
  target_link_libraries(tide_${number} PRIVATE sinter_flags m)
  add_dependencies(zoo tide_${number})
endforeach()
foreach(t IN ITEMS test_loading test_calls test_options test_tensors)
  if(TARGET unit_plugin_${t})
    add_dependencies(unit_plugin_${t} zoo)
  endif()
endforeach()

# The small host that plugins' tests, benchmarks and numeric checks run under.
# Tensors on disk are the server's own code: a plugin's test reads and writes what the server will.
file(GLOB harness_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/plugin/harness*.c ${CMAKE_SOURCE_DIR}/server/plugin/tensors*.c)
add_library(plugin_harness STATIC EXCLUDE_FROM_ALL ${harness_sources})
target_include_directories(plugin_harness PUBLIC ${CMAKE_SOURCE_DIR}/tests/plugin PRIVATE ${CMAKE_SOURCE_DIR}/server/plugin)
sinter_room_includes(plugin_harness base)
target_link_libraries(plugin_harness PUBLIC sinter_flags sinter_base dl m pthread)

file(GLOB plugin_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/plugins/*/tests/test_*.c)
foreach(source IN LISTS plugin_tests)
  get_filename_component(stem ${source} NAME_WE)
  get_filename_component(dir ${source} DIRECTORY)
  get_filename_component(dir ${dir} DIRECTORY)
  get_filename_component(name ${dir} NAME)
  set(t plugin_${name}_${stem})
  add_executable(${t} ${source})
  target_include_directories(${t} PRIVATE ${dir})
  target_compile_definitions(${t} PRIVATE PLUGIN_PATH="${CMAKE_BINARY_DIR}/plugins/${name}.so")
  target_link_libraries(${t} PRIVATE sinter_flags plugin_harness PkgConfig::cmocka)
  foreach(lib IN LISTS SINTER_PLUGIN_LIBS_${name}) # a test may include its plugin's sources
    target_link_libraries(${t} PRIVATE sinter_lib_${lib})
  endforeach()
  add_dependencies(${t} plugin_${name})
  add_test(NAME plugins/${name}/${stem} COMMAND ${t})
  set_tests_properties(plugins/${name}/${stem} PROPERTIES ENVIRONMENT "${SINTER_TEST_ENV}" LABELS unit TIMEOUT 300)
endforeach()

# The ABI's header stands alone in every language that plugins are written in.
set(header_flags -I ${CMAKE_SOURCE_DIR}/include -Wall -Wextra -Wpedantic -Werror -fsyntax-only)
foreach(standard c11 c17)
  add_test(NAME plugins/header_${standard}
           COMMAND ${CMAKE_C_COMPILER} -std=${standard} ${header_flags} -x c ${CMAKE_SOURCE_DIR}/include/sinter/plugin.h)
  set_tests_properties(plugins/header_${standard} PROPERTIES LABELS unit TIMEOUT 60)
endforeach()
foreach(standard c++11 c++17)
  add_test(NAME plugins/header_${standard}
           COMMAND ${CMAKE_CXX_COMPILER} -std=${standard} ${header_flags} -x c++ ${CMAKE_SOURCE_DIR}/include/sinter/plugin.h)
  set_tests_properties(plugins/header_${standard} PROPERTIES LABELS unit TIMEOUT 60)
endforeach()

# The function plugin against Python's own parser and arithmetic, on random formulas.
if(TARGET plugin_function)
  find_program(SINTER_PYTHON NAMES /usr/bin/python3 python3 REQUIRED)
  add_executable(formula_lines ${CMAKE_SOURCE_DIR}/tests/plugin/formula_lines.c)
  target_link_libraries(formula_lines PRIVATE plugin_harness)
  add_dependencies(formula_lines plugin_function)
  add_test(NAME plugins/function/python COMMAND ${SINTER_PYTHON} ${CMAKE_SOURCE_DIR}/tests/plugin/test_formula.py
           $<TARGET_FILE:formula_lines> ${CMAKE_BINARY_DIR}/plugins/function.so $<IF:$<BOOL:${SINTER_SANITIZE}>,400,3000>)
  set_tests_properties(plugins/function/python PROPERTIES ENVIRONMENT "${SINTER_TEST_ENV}" LABELS unit TIMEOUT 300)
endif()

# The gate network of fusion against numpy.
if(TARGET plugin_fusion)
  add_executable(fusion_lines ${CMAKE_SOURCE_DIR}/tests/plugin/fusion_lines.c)
  target_link_libraries(fusion_lines PRIVATE plugin_harness)
  add_dependencies(fusion_lines plugin_fusion)
  add_test(NAME plugins/fusion/python COMMAND ${SINTER_PYTHON} ${CMAKE_SOURCE_DIR}/tests/plugin/test_fusion.py
           $<TARGET_FILE:fusion_lines> ${CMAKE_BINARY_DIR}/plugins/fusion.so $<IF:$<BOOL:${SINTER_SANITIZE}>,12,40>)
  set_tests_properties(plugins/fusion/python PROPERTIES ENVIRONMENT "${SINTER_TEST_ENV}" LABELS unit TIMEOUT 300)
endif()

# Tensor files against a reader and writer in Python.
add_executable(tensor_lines ${CMAKE_SOURCE_DIR}/tests/plugin/tensor_lines.c)
target_include_directories(tensor_lines PRIVATE ${CMAKE_SOURCE_DIR}/server)
target_link_libraries(tensor_lines PRIVATE sinter_flags sinter_plugin)
add_test(NAME plugin/tensors_python COMMAND ${SINTER_PYTHON} ${CMAKE_SOURCE_DIR}/tests/plugin/test_tensors.py $<TARGET_FILE:tensor_lines>
         $<IF:$<BOOL:${SINTER_SANITIZE}>,16,3>)
set_tests_properties(plugin/tensors_python PROPERTIES ENVIRONMENT "${SINTER_TEST_ENV}" LABELS unit TIMEOUT 300)

# Minor 0 of the ABI, for ever: its header, and a plugin compiled against that copy and not against include/. The plugin must load
# in this host (tests/integration/test_abi.py runs it as everything it plays), and include/ may only have grown since.
add_library(abi_minor0 MODULE ${CMAKE_SOURCE_DIR}/tests/abi/minor0/plugin.c)
set_target_properties(abi_minor0 PROPERTIES PREFIX "" OUTPUT_NAME minor0 LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/abi)
target_include_directories(abi_minor0 BEFORE PRIVATE ${CMAKE_SOURCE_DIR}/tests/abi/minor0) # found before include/
target_link_options(abi_minor0 PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/plugin.map)
target_link_libraries(abi_minor0 PRIVATE sinter_flags m)
add_test(NAME plugin/abi_layout COMMAND ${SINTER_PYTHON} ${CMAKE_SOURCE_DIR}/tests/abi/layout.py ${CMAKE_C_COMPILER} ${CMAKE_SOURCE_DIR}
         ${CMAKE_BINARY_DIR}/abi/layout)
set_tests_properties(plugin/abi_layout PROPERTIES LABELS unit TIMEOUT 300)
add_test(NAME plugin/abi_minor0 COMMAND sinter plugin check ${CMAKE_BINARY_DIR}/abi/minor0.so)
set_tests_properties(plugin/abi_minor0 PROPERTIES ENVIRONMENT "${SINTER_TEST_ENV}" LABELS unit TIMEOUT 120)

# `sinter plugin list | check` on the zoo and on the plugins themselves.
find_program(SINTER_PYTHON NAMES /usr/bin/python3 python3 REQUIRED)
add_test(NAME plugin/command COMMAND ${SINTER_PYTHON} ${CMAKE_SOURCE_DIR}/tests/plugin/test_command.py $<TARGET_FILE:sinter> ${CMAKE_BINARY_DIR})
set_tests_properties(plugin/command PROPERTIES ENVIRONMENT "${SINTER_TEST_ENV}" LABELS unit TIMEOUT 300)
# Messages as JSON and back against python's json_format, on random messages.
find_program(SINTER_PYTHON NAMES /usr/bin/python3 python3 REQUIRED)
add_executable(json_lines ${CMAKE_SOURCE_DIR}/tests/unit/json/json_lines.c)
target_include_directories(json_lines PRIVATE ${CMAKE_SOURCE_DIR}/server)
target_link_libraries(json_lines PRIVATE sinter_flags sinter_rpc)
add_test(NAME json/python COMMAND ${SINTER_PYTHON} ${CMAKE_SOURCE_DIR}/tests/unit/json/check_json.py
         $<TARGET_FILE:json_lines> ${CMAKE_BINARY_DIR}/gen/sinter.protoset)
set_tests_properties(json/python PROPERTIES ENVIRONMENT "${SINTER_TEST_ENV}" LABELS unit TIMEOUT 300)

# What a trainer reads, held against the log and the journal: run by tests/integration/test_dataset.py.
add_executable(dataset_as_of ${CMAKE_SOURCE_DIR}/tests/integration/dataset_as_of.c)
target_include_directories(dataset_as_of PRIVATE ${CMAKE_SOURCE_DIR}/server)
target_link_libraries(dataset_as_of PRIVATE sinter_flags sinter_learn)
