# SPDX-License-Identifier: GPL-3.0-or-later
# Benchmarks of single parts: built on demand (cmake --build --preset release --target bench_fusion), run by hand or by
# tests/quality. Each prints its bars of bars.md as "bar NAME METRIC VALUE goal <= GOAL pass|fail".
if(TARGET plugin_fusion)
  add_executable(bench_fusion EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/tests/bench/bench_fusion.c)
  target_compile_definitions(bench_fusion PRIVATE PLUGIN_PATH="${CMAKE_BINARY_DIR}/plugins/fusion.so")
  target_link_libraries(bench_fusion PRIVATE plugin_harness sinter_lib_openblas)
  add_dependencies(bench_fusion plugin_fusion)
endif()

if(TARGET sinter_commands)
  add_executable(bench_search EXCLUDE_FROM_ALL tests/bench/bench_search.c tests/bench/bench_corpus.c tests/bench/bench_server.c
                 tests/bench/bench_rpc.c tests/bench/bench_floor.cc)
  target_include_directories(bench_search PRIVATE ${CMAKE_SOURCE_DIR}/server)
  target_link_libraries(bench_search PRIVATE sinter_flags sinter_commands)
endif()

# The load of tests/reliability.
if(TARGET sinter_commands)
  add_executable(reliability_load EXCLUDE_FROM_ALL tests/reliability/load.c)
  target_include_directories(reliability_load PRIVATE ${CMAKE_SOURCE_DIR}/server)
  target_link_libraries(reliability_load PRIVATE sinter_flags sinter_commands)
endif()
