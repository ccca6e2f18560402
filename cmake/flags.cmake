# SPDX-License-Identifier: GPL-3.0-or-later
# Warnings, hardening and instrumentation: one interface target that every target of ours links.
add_library(sinter_flags INTERFACE)
target_compile_options(sinter_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -fvisibility=hidden -fno-omit-frame-pointer
  $<$<COMPILE_LANGUAGE:C>:-Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings>
  # Macros whose last argument may be left out are C23; clang says so where gcc does not.
  $<$<OR:$<C_COMPILER_ID:Clang>,$<CXX_COMPILER_ID:Clang>>:-Wno-gnu-zero-variadic-macro-arguments>)
target_compile_definitions(sinter_flags INTERFACE _GNU_SOURCE SINTER_VERSION="${PROJECT_VERSION}")
target_include_directories(sinter_flags INTERFACE ${CMAKE_SOURCE_DIR}/include)

if(SINTER_SANITIZE STREQUAL "address")
  target_compile_options(sinter_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_link_options(sinter_flags INTERFACE -fsanitize=address,undefined)
elseif(SINTER_SANITIZE STREQUAL "thread")
  target_compile_options(sinter_flags INTERFACE -fsanitize=thread)
  target_link_options(sinter_flags INTERFACE -fsanitize=thread)
elseif(NOT SINTER_SANITIZE STREQUAL "")
  message(FATAL_ERROR "SINTER_SANITIZE is '${SINTER_SANITIZE}'; valid: address, thread, or empty")
endif()
if(SINTER_SANITIZE)
  target_compile_definitions(sinter_flags INTERFACE SINTER_SANITIZED SINTER_SANITIZE_${SINTER_SANITIZE})
endif()
if(SINTER_COVERAGE)
  target_compile_options(sinter_flags INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(sinter_flags INTERFACE --coverage)
endif()
if(SINTER_FUZZ)
  target_compile_options(sinter_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined)
  target_link_options(sinter_flags INTERFACE -fsanitize=address,undefined)
  target_compile_definitions(sinter_flags INTERFACE SINTER_SANITIZED)
endif()
if(SINTER_PLANT_RACE)
  target_compile_definitions(sinter_flags INTERFACE SINTER_PLANT_RACE)
endif()
if(SINTER_NO_SYNC)
  target_compile_definitions(sinter_flags INTERFACE SINTER_NO_SYNC)
endif()
