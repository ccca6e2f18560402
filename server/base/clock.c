/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Clocks, and times as people write them (RFC 3339, proleptic Gregorian, UTC). */
#include "base/base.h"

#include <stdio.h>
#include <time.h>

enum { DAY_MS = 86400000 };

uint64_t clock_mono_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int64_t clock_wall_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Days since 1970-01-01, counting years from March so that the leap day comes last (Hinnant's algorithm). */
static int64_t days_from_date(int64_t y, int m, int d) {
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_from_days(int64_t z, int64_t *y, int *m, int *d) {
    z += 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097, day = z - era * 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t of_year = day - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    *d = (int)(of_year - (153 * month + 2) / 5 + 1);
    *m = (int)(month < 10 ? month + 3 : month - 9);
    *y = year + era * 400 + (*m <= 2);
}

static int days_in_month(int y, int m) {
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : DAYS[m - 1];
}

/* Exactly `digits` digits, then `after` unless that is NUL. Moves s on. */
static bool take(str *s, int digits, char after, int *out) {
    size_t need = (size_t)digits + (after ? 1 : 0);
    if (s->n < need) return false;
    *out = 0;
    for (int i = 0; i < digits; i++) {
        if (s->s[i] < '0' || s->s[i] > '9') return false;
        *out = *out * 10 + (s->s[i] - '0');
    }
    if (after && s->s[digits] != after) return false;
    *s = (str){s->s + need, s->n - need};
    return true;
}

/* ".25" → 250; digits after the third are dropped. */
static bool take_fraction(str *s, int *ms) {
    *ms = 0;
    if (s->n == 0 || s->s[0] != '.') return true;
    size_t i = 1;
    for (int unit = 100; i < s->n && s->s[i] >= '0' && s->s[i] <= '9'; i++, unit /= 10)
        *ms += (s->s[i] - '0') * unit;
    bool any = i > 1;
    *s = (str){s->s + i, s->n - i};
    return any;
}

/* "Z" or "+01:00", to the end of s. */
static bool take_offset(str s, int *minutes) {
    *minutes = 0;
    if (s.n == 1) return s.s[0] == 'Z' || s.s[0] == 'z';
    if (s.n != 6 || (s.s[0] != '+' && s.s[0] != '-')) return false;
    int sign = s.s[0] == '+' ? 1 : -1, h, m;
    s = (str){s.s + 1, s.n - 1};
    if (!take(&s, 2, ':', &h) || !take(&s, 2, 0, &m) || h > 23 || m > 59) return false;
    *minutes = sign * (h * 60 + m);
    return true;
}

bool time_parse_ms(str s, int64_t *ms) {
    int y, mo, d, h, mi, sec, milli, offset;
    if (!take(&s, 4, '-', &y) || !take(&s, 2, '-', &mo) || !take(&s, 2, 0, &d)) return false;
    if (mo < 1 || mo > 12 || d < 1 || d > days_in_month(y, mo)) return false;
    int64_t day = days_from_date(y, mo, d) * DAY_MS;
    if (s.n == 0) {
        *ms = day;
        return true;
    }
    if (s.s[0] != 'T' && s.s[0] != 't' && s.s[0] != ' ') return false;
    s = (str){s.s + 1, s.n - 1};
    if (!take(&s, 2, ':', &h) || !take(&s, 2, ':', &mi) || !take(&s, 2, 0, &sec)) return false;
    if (h > 23 || mi > 59 || sec > 60) return false;
    if (!take_fraction(&s, &milli) || !take_offset(s, &offset)) return false;
    int64_t minute = (int64_t)h * 60 + mi - offset;
    /* A leap second stands only at the end of a day in UTC; it counts as the first second of the next. */
    if (sec == 60 && (minute + 2880) % 1440 != 1439) return false;
    *ms = day + minute * 60000 + sec * 1000 + milli;
    return true;
}

void time_format_ms(int64_t ms, char out[32]) {
    int64_t day = ms / DAY_MS, rest = ms % DAY_MS, y;
    if (rest < 0) {
        rest += DAY_MS;
        day--;
    }
    int m, d, sec = (int)(rest / 1000), milli = (int)(rest % 1000);
    date_from_days(day, &y, &m, &d);
    char fraction[8] = "";
    if (milli) snprintf(fraction, sizeof fraction, ".%03u", (unsigned)milli % 1000);
    snprintf(out, 32, "%04lld-%02u-%02uT%02u:%02u:%02u%sZ", (long long)y, (unsigned)m % 100, (unsigned)d % 100,
             (unsigned)sec / 3600 % 100, (unsigned)sec / 60 % 60, (unsigned)sec % 60, fraction);
}
