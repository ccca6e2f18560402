/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Base64 (RFC 4648), of either alphabet. */
#include "base/base.h"

static const char PLAIN[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64_encode(const void *bytes, size_t n, bool url, char *out)
{
    const char *alphabet = url ? URL : PLAIN;
    const uint8_t *p = bytes;
    char *o = out;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
        *o++ = alphabet[v >> 18 & 63];
        *o++ = alphabet[v >> 12 & 63];
        if (left > 1 || !url) *o++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
        if (left > 2 || !url) *o++ = left > 2 ? alphabet[v & 63] : '=';
    }
    *o = '\0';
    return (size_t)(o - out);
}

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(str s, uint8_t *out, size_t *n)
{
    size_t digits = s.n, bits = 0;
    uint32_t held = 0;
    while (digits && s.n - digits < 2 && s.s[digits - 1] == '=')
        digits--;
    *n = 0;
    if (digits % 4 == 1 || (digits != s.n && s.n % 4 != 0)) return false;
    for (size_t i = 0; i < digits; i++) {
        int d = digit_of(s.s[i]);
        if (d < 0) return false;
        held = held << 6 | (uint32_t)d;
        if ((bits += 6) >= 8) out[(*n)++] = (uint8_t)(held >> (bits -= 8));
    }
    return true;
}
