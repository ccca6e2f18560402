# SPDX-License-Identifier: GPL-3.0-or-later
# Tools that measure, built on demand: tests/quality and tests/bench.
if(EXISTS ${CMAKE_SOURCE_DIR}/tests/quality/text_eval.c)
  add_executable(text_eval EXCLUDE_FROM_ALL tests/quality/text_eval.c tests/quality/quality_items.c)
  target_include_directories(text_eval PRIVATE ${CMAKE_SOURCE_DIR}/server tests/quality)
  target_link_libraries(text_eval PRIVATE sinter_flags sinter_recall sinter_lib_jansson)
endif()
if(EXISTS ${CMAKE_SOURCE_DIR}/tests/bench/bench_text.cc)
  add_executable(bench_text EXCLUDE_FROM_ALL tests/bench/bench_text.cc)
  target_include_directories(bench_text PRIVATE ${CMAKE_SOURCE_DIR}/server)
  target_link_libraries(bench_text PRIVATE sinter_flags sinter_recall)
endif()
# `sinter evaluate` against numpy and, where it is installed, scikit-learn.
find_program(SINTER_PYTHON NAMES /usr/bin/python3 python3 REQUIRED)
add_test(NAME learn/python COMMAND ${SINTER_PYTHON} ${CMAKE_SOURCE_DIR}/tests/quality/evaluate_check.py $<TARGET_FILE:sinter>)
set_tests_properties(learn/python PROPERTIES ENVIRONMENT "${SINTER_TEST_ENV}" LABELS unit TIMEOUT 300)
# The deep plugin's trainer on rows of a file: its loss curve and its speed beside torch's.
if(TARGET plugin_deep)
  add_executable(deep_reference EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/tests/quality/deep_reference.c)
  target_link_libraries(deep_reference PRIVATE plugin_harness)
  add_dependencies(deep_reference plugin_deep)
endif()
