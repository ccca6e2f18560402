/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to profile: a file as blocks of at most 1 MiB, each behind its length and checksum, so that a broken one is known before
 * anything of it is believed. */
#ifndef SINTER_PROFILE_STREAM_H
#define SINTER_PROFILE_STREAM_H

#include "base/base.h"

/* Writing: into PATH.new, which takes PATH's place at the end. */
typedef struct stream_out stream_out;
stream_out *stream_create(const char *path, sinter_error *e);
void stream_put(stream_out *s, const void *p, size_t n);
/* Synced and renamed; or given up (`keep` false, or something failed): then no file is left. Frees s. */
sinter_status stream_close(stream_out *s, bool keep, sinter_error *e);

/* Reading. After a failure everything is zero. */
typedef struct stream_in stream_in;
stream_in *stream_open(const char *path, sinter_error *e); /* NOT_FOUND */
bool stream_get(stream_in *s, void *p, size_t n);          /* false: broken, or at its end */
bool stream_ended(stream_in *s);                           /* whole, and nothing is left */
void stream_end(stream_in *s);

#define STREAM_PUT(s, x) stream_put((s), &(x), sizeof(x))
#define STREAM_GET(s, x) stream_get((s), &(x), sizeof(x))

#endif
