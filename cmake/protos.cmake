# SPDX-License-Identifier: GPL-3.0-or-later
# Generated protobuf-c code for every .proto, and one FileDescriptorSet for reflection and JSON.
# Two import roots: proto/ is ours, proto/interop/ holds contracts of others under their own names.
set(proto_root ${CMAKE_SOURCE_DIR}/proto)
file(GLOB_RECURSE own_protos CONFIGURE_DEPENDS RELATIVE ${proto_root} ${proto_root}/*.proto)
list(FILTER own_protos EXCLUDE REGEX "^interop/")
file(GLOB_RECURSE interop_protos CONFIGURE_DEPENDS RELATIVE ${proto_root}/interop ${proto_root}/interop/*.proto)
set(SINTER_PROTOS ${own_protos} ${interop_protos})
set(gen ${CMAKE_BINARY_DIR}/gen)
# The well-known types that the API uses, and the descriptors that reflection reads, come from protobuf's own files
# (libprotobuf-dev).
set(well_known google/protobuf/timestamp.proto google/protobuf/duration.proto google/protobuf/any.proto
    google/protobuf/descriptor.proto)
set(proto_sources "")
set(proto_headers "")
set(proto_files "")
foreach(p IN LISTS SINTER_PROTOS well_known)
  string(REGEX REPLACE "\\.proto$" "" stem ${p})
  list(APPEND proto_sources ${gen}/${stem}.pb-c.c)
  list(APPEND proto_headers ${gen}/${stem}.pb-c.h)
endforeach()
foreach(p IN LISTS own_protos)
  list(APPEND proto_files ${proto_root}/${p})
endforeach()
foreach(p IN LISTS interop_protos)
  list(APPEND proto_files ${proto_root}/interop/${p})
endforeach()
file(MAKE_DIRECTORY ${gen})
set(import_roots -I ${proto_root} -I ${proto_root}/interop -I /usr/include)
add_custom_command(
  OUTPUT ${proto_sources} ${proto_headers}
  COMMAND protoc-c --c_out=${gen} ${import_roots} ${SINTER_PROTOS} ${well_known}
  WORKING_DIRECTORY ${proto_root}
  DEPENDS ${proto_files} VERBATIM)
add_custom_command(
  OUTPUT ${gen}/sinter.protoset
  COMMAND protoc --include_imports --include_source_info --descriptor_set_out=${gen}/sinter.protoset
          ${import_roots} ${SINTER_PROTOS}
  WORKING_DIRECTORY ${proto_root}
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
