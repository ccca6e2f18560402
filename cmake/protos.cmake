# SPDX-License-Identifier: GPL-3.0-or-later
# Generated protobuf-c code for every .proto, and one FileDescriptorSet for reflection and JSON.
file(GLOB_RECURSE SINTER_PROTOS CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/proto ${CMAKE_SOURCE_DIR}/proto/*.proto)
set(gen ${CMAKE_BINARY_DIR}/gen)
set(proto_sources "")
set(proto_headers "")
foreach(p IN LISTS SINTER_PROTOS)
  string(REGEX REPLACE "\\.proto$" "" stem ${p})
  list(APPEND proto_sources ${gen}/${stem}.pb-c.c)
  list(APPEND proto_headers ${gen}/${stem}.pb-c.h)
  list(APPEND proto_files ${CMAKE_SOURCE_DIR}/proto/${p})
endforeach()
file(MAKE_DIRECTORY ${gen})
# The two well-known types that the API uses come from protobuf's own files (libprotobuf-dev).
set(well_known google/protobuf/timestamp.proto google/protobuf/duration.proto)
foreach(stem google/protobuf/timestamp google/protobuf/duration)
  list(APPEND proto_sources ${gen}/${stem}.pb-c.c)
  list(APPEND proto_headers ${gen}/${stem}.pb-c.h)
endforeach()
add_custom_command(
  OUTPUT ${proto_sources} ${proto_headers}
  COMMAND protoc-c --c_out=${gen} -I ${CMAKE_SOURCE_DIR}/proto -I /usr/include ${SINTER_PROTOS} ${well_known}
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/proto
  DEPENDS ${proto_files} VERBATIM)
add_custom_command(
  OUTPUT ${gen}/sinter.protoset
  COMMAND protoc --include_imports --include_source_info --descriptor_set_out=${gen}/sinter.protoset
          -I ${CMAKE_SOURCE_DIR}/proto -I /usr/include ${SINTER_PROTOS}
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/proto
  DEPENDS ${proto_files} VERBATIM)
# The descriptor set as a C array: sinter_protoset[], sinter_protoset_size.
add_custom_command(
  OUTPUT ${gen}/protoset.c
  COMMAND ${CMAKE_COMMAND} -DIN=${gen}/sinter.protoset -DOUT=${gen}/protoset.c -DNAME=sinter_protoset
          -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
  DEPENDS ${gen}/sinter.protoset cmake/embed.cmake VERBATIM)
add_library(sinter_proto STATIC ${proto_sources} ${gen}/protoset.c)
target_include_directories(sinter_proto PUBLIC ${gen})
target_link_libraries(sinter_proto PUBLIC sinter_lib_protobufc)
target_compile_options(sinter_proto PRIVATE -w)
