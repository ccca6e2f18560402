# SPDX-License-Identifier: GPL-3.0-or-later
# Fuzz targets: tests/fuzz/fuzz_*.c, each an LLVMFuzzerTestOneInput; fuzz_ROOM_*.c links that room, others the whole house.
# The fuzz preset links libFuzzer (build/fuzz/bin/fuzz_X CORPUS…). Every other build links a replayer instead, and ctest
# feeds it tests/fuzz/corpus/fuzz_X/ and seeded mutations of it, so that what fuzzing found once is tried for ever.
file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
add_custom_target(fuzzers)
foreach(source IN LISTS fuzz_sources)
  get_filename_component(t ${source} NAME_WE)
  set(room commands)
  string(REGEX REPLACE "^fuzz_([a-z]+).*" "\\1" first_word ${t})
  if(first_word IN_LIST SINTER_ROOMS)
    set(room ${first_word})
  endif()
  add_executable(${t} ${source})
  target_include_directories(${t} PRIVATE ${CMAKE_SOURCE_DIR}/server)
  # libFuzzer's entry has no header that declares it.
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -Wno-missing-prototypes)
  target_link_libraries(${t} PRIVATE sinter_flags sinter_${room})
  set_target_properties(${t} PROPERTIES LINKER_LANGUAGE CXX)
  add_dependencies(fuzzers ${t})
  if(SINTER_FUZZ)
    target_link_options(${t} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${t} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
    add_test(NAME fuzz/${t} COMMAND ${t} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${t})
    set_tests_properties(fuzz/${t} PROPERTIES LABELS fuzz TIMEOUT 300)
  endif()
endforeach()
