/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small blocking gRPC client over the C core, for the commands that speak to a server.
 *
 *   client *c;
 *   if (client_open(server, &c, &e) != SINTER_OK) return client_fail("search", NULL, &e);
 *   Sinter__V1__SearchResponse *answer;
 *   sinter_status s = client_call(c, "sinter.v1.SearchService/Search", &request.base, &sinter__v1__search_response__descriptor,
 *                                 timeout_ns, (ProtobufCMessage **)&answer, &e);
 *   if (s != SINTER_OK) … client_fail("search", c, &e) …
 *   protobuf_c_message_free_unpacked(&answer->base, NULL);
 *   client_close(c);
 *
 * One thread at a time. An error's `what` is the server's message; violations of a BadRequest follow it, one a line. */
#ifndef SINTER_COMMANDS_CLIENT_H
#define SINTER_COMMANDS_CLIENT_H

#include "base/base.h"
#include "commands/commands.h"
#include <protobuf-c/protobuf-c.h>

#define CLIENT_DEFAULT_SERVER "127.0.0.1:7700"
#define CLIENT_NO_TIMEOUT UINT64_MAX

typedef struct client client;
typedef struct client_stream client_stream;

/* `server`: HOST:PORT, NULL: $SINTER_SERVER, else CLIENT_DEFAULT_SERVER. UNAVAILABLE when nobody answers there within 5 s. */
sinter_status client_open(const char *server, client **out, sinter_error *e);
void client_close(client *c); /* NULL is fine */
const char *client_server(const client *c);

/* One request, one answer. `method` is "package.Service/Method". On OK *answer is to be freed with
 * protobuf_c_message_free_unpacked. */
sinter_status client_call(client *c, const char *method, const ProtobufCMessage *request,
                          const ProtobufCMessageDescriptor *answer_type, uint64_t timeout_ns, ProtobufCMessage **answer,
                          sinter_error *e);

/* A call of many messages, either way. Send and receive may alternate as the method wants; a send waits until the connection
 * took the message. */
sinter_status client_stream_open(client *c, const char *method, const ProtobufCMessageDescriptor *answer_type,
                                 uint64_t timeout_ns, client_stream **out, sinter_error *e);
/* Not OK: the server has ended the call; the error says why. */
sinter_status client_stream_send(client_stream *s, const ProtobufCMessage *message, sinter_error *e);
sinter_status client_stream_finish_sending(client_stream *s, sinter_error *e);
/* The next message; *answer NULL with OK: the server ended the call without an error. */
sinter_status client_stream_receive(client_stream *s, ProtobufCMessage **answer, sinter_error *e);
/* Cancels it where it is not over. */
void client_stream_close(client_stream *s);

/* The exit code for a failed call: EXIT_UNREACHABLE when there is no connection (c NULL: client_open failed), EXIT_ABSENT for
 * NOT_FOUND, EXIT_REFUSED for what the server refused, EXIT_FAILED otherwise. */
int client_exit_code(client *c, const sinter_error *e);
/* Prints "sinter COMMAND: error" on standard error and returns the exit code. */
int client_fail(const char *command, client *c, const sinter_error *e);

#endif
