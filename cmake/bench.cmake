# SPDX-License-Identifier: GPL-3.0-or-later
# Benchmarks of single parts: built on demand (cmake --build --preset release --target bench_fusion), run by hand or by
# tests/quality. Each prints its bars of bars.md as "bar NAME METRIC VALUE goal <= GOAL pass|fail".
if(TARGET plugin_fusion)
  add_executable(bench_fusion EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/tests/bench/bench_fusion.c)
  target_compile_definitions(bench_fusion PRIVATE PLUGIN_PATH="${CMAKE_BINARY_DIR}/plugins/fusion.so")
  target_link_libraries(bench_fusion PRIVATE plugin_harness)
  add_dependencies(bench_fusion plugin_fusion)
endif()
