/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of an instance, the one form of text in which rules and queries are compared, and dictionaries of such texts.
 */
#include "rules.h"

/* ---- memory ---------------------------------------------------------------------------------------------------------
 */

enum { BLOCK = 64 * 1024 };

struct rules_block {
    struct rules_block *next;
    size_t used, room;
};

void *rules_take(rules_pool *p, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct rules_block *b = p->blocks;
    size_t head = (sizeof *b + 15) & ~(size_t)15;
    if (b == NULL || b->room - b->used < size) {
        size_t room = size > BLOCK ? size : BLOCK;
        b = p->host->alloc(p->host, head + room);
        if (b == NULL) return NULL;
        *b = (struct rules_block){.next = p->blocks, .room = room};
        p->blocks = b;
    }
    void *out = (char *)b + head + b->used;
    b->used += size;
    return memset(out, 0, size);
}

char *rules_take_text(rules_pool *p, const char *text, size_t n)
{
    char *out = rules_take(p, n + 1);
    if (out != NULL && n > 0) memcpy(out, text, n);
    return out;
}

void rules_pool_release(rules_pool *p)
{
    for (struct rules_block *b = p->blocks, *next; b != NULL; b = next) {
        next = b->next;
        p->host->free(p->host, b);
    }
    p->blocks = NULL;
}

/* ---- the canonical form
 * ------------------------------------------------------------------------------------------------ */

/* Reads one UTF-8 character; a bad byte counts as itself and *size is 0. */
static uint32_t decode(const unsigned char *s, size_t n, size_t *size)
{
    uint32_t c = s[0];
    *size = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (*size == 0 || *size > n) return *size = 0, c;
    static const uint8_t lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    c &= lead[*size];
    for (size_t i = 1; i < *size; i++) {
        if ((s[i] & 0xc0) != 0x80) return *size = 0, s[0];
        c = c << 6 | (s[i] & 0x3f);
    }
    return c;
}

static size_t encode(uint32_t c, char *out)
{
    if (c < 0x80) return out[0] = (char)c, 1;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    return n;
}

/* Lower case without a locale: the alphabets of Latin, Greek, Cyrillic and Armenian, whose capitals stand at a fixed
 * distance from their small letters, or directly before them. */
static uint32_t lower(uint32_t c)
{
    static const struct {
        uint16_t first, last, step; /* step 1: every one; 2: every second */
        int16_t distance;
    } capitals[] = {
        {'A', 'Z', 1, 32},      {0xc0, 0xd6, 1, 32},   {0xd8, 0xde, 1, 32},   {0x100, 0x12e, 2, 1},
        {0x132, 0x136, 2, 1},   {0x139, 0x147, 2, 1},  {0x14a, 0x176, 2, 1},  {0x178, 0x178, 1, -121},
        {0x179, 0x17d, 2, 1},   {0x1a0, 0x1a4, 2, 1},  {0x1af, 0x1af, 1, 1},  {0x1cd, 0x1db, 2, 1},
        {0x1de, 0x1ee, 2, 1},   {0x1f8, 0x21e, 2, 1},  {0x222, 0x232, 2, 1},  {0x386, 0x386, 1, 38},
        {0x388, 0x38a, 1, 37},  {0x38c, 0x38c, 1, 64}, {0x38e, 0x38f, 1, 63}, {0x391, 0x3a1, 1, 32},
        {0x3a3, 0x3ab, 1, 32},  {0x400, 0x40f, 1, 80}, {0x410, 0x42f, 1, 32}, {0x460, 0x480, 2, 1},
        {0x48a, 0x4be, 2, 1},   {0x4d0, 0x52e, 2, 1},  {0x531, 0x556, 1, 48}, {0x1e00, 0x1e94, 2, 1},
        {0x1ea0, 0x1efe, 2, 1},
    };
    if (c < 0xc0) return c >= 'A' && c <= 'Z' ? c + 32 : c;
    for (size_t i = 1; i < sizeof capitals / sizeof *capitals && capitals[i].first <= c; i++)
        if (c <= capitals[i].last)
            return (c - capitals[i].first) % capitals[i].step == 0 ? (uint32_t)((int32_t)c + capitals[i].distance) : c;
    return c;
}

/* Latin letters with marks are the letters without them, as in the server's index: "café" is "cafe". '.': stays as it
 * is. */
enum {
    FOLD_FIRST = 0xc0,
    FOLD_LAST = 0x24f,
    FOLD_MORE = 0x1e00,
    FOLD_END = 0x1eff,
    MARK_FIRST = 0x300,
    MARK_LAST = 0x36f
};
/* clang-format off */
static const char fold_latin[] =
    "aaaaaa.ceeeeiiii.nooooo..uuuuy..aaaaaa.ceeeeiiii.nooooo..uuuuy.yaaaaaaccccccccdd"
    "..eeeeeeeeeegggggggghh..iiiiiiiii...jjkk.llllll....nnnnnn...oooooo..rrrrrrssssss"
    "sstttt..uuuuuuuuuuuuwwyyyzzzzzzs................................oo.............u"
    "u............................aaiioouuuuuuuuuu.aaaa....ggkkoooo..j...gg..nnaa...."
    "aaaaeeeeiiiioooorrrruuuusstt..hh......aaeeooooooooyy............................";
static const char fold_more[] =
    "aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmmmmmmnnnnnnnnoooo"
    "oooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvvwwwwwwwwwwxxxxyyzzzzzzhtwy.s...."
    "aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeeeeeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuu"
    "uuyyyyyyyy......";
/* clang-format on */

static uint32_t fold(uint32_t c)
{
    char plain = '.';
    if (c >= FOLD_FIRST && c <= FOLD_LAST)
        plain = fold_latin[c - FOLD_FIRST];
    else if (c >= FOLD_MORE && c <= FOLD_END)
        plain = fold_more[c - FOLD_MORE];
    return plain != '.' ? (uint32_t)plain : lower(c);
}

/* Between words: spaces and ASCII punctuation but '+' and '#' ("c++", "c#"), and the typographic quotes, dashes and
 * spaces. */
static bool separates(uint32_t c)
{
    if (c < 0x80)
        return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '#');
    return c == 0xa0 || c == 0xab || c == 0xbb || (c >= 0x2000 && c <= 0x206f) || c == 0x3000;
}

/* Writes one letter in lower case and without marks; returns its size. */
static size_t put_letter(uint32_t c, char *out, bool after_latin)
{
    if (c == 0xdf || c == 0x1e9e) return out[0] = out[1] = 's', 2;
    if (c >= MARK_FIRST && c <= MARK_LAST && after_latin) return 0;
    return encode(fold(c), out);
}

size_t rules_canonical(const char *text, size_t n, char *out)
{
    size_t size = 0;
    bool gap = false;
    for (size_t i = 0; i < n;) {
        size_t step;
        uint32_t c = decode((const unsigned char *)text + i, n - i, &step);
        bool good = step > 0;
        i += good ? step : 1;
        if (good && separates(c)) {
            gap = size > 0;
            continue;
        }
        if (gap) out[size++] = ' ';
        bool after_latin = size > 0 && out[size - 1] >= 'a' && out[size - 1] <= 'z';
        gap = false;
        if (good)
            size += put_letter(c, out + size, after_latin);
        else
            out[size++] = (char)c;
    }
    return size;
}

bool rules_next_word(const char **at, const char *end, sinter_str *word)
{
    while (*at < end && **at == ' ')
        ++*at;
    if (*at >= end) return false;
    const char *stop = memchr(*at, ' ', (size_t)(end - *at));
    stop = stop == NULL ? end : stop;
    *word = (sinter_str){*at, (size_t)(stop - *at)};
    *at = stop;
    return true;
}

/* ---- dictionaries
 * --------------------------------------------------------------------------------------------------------- */

static uint64_t hash(const char *text, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, then mixed: keys are fixed at open, only probes come from outside */
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint32_t find(const rules_dictionary *d, const char *text, size_t n, uint64_t h, uint32_t *at)
{
    uint32_t i = (uint32_t)h & d->mask;
    for (; d->slot[i] != 0; i = (i + 1) & d->mask) {
        const struct rules_entry *e = &d->entry[d->slot[i] - 1];
        if (e->hash == h && e->size == n && memcmp(e->text, text, n) == 0) return d->slot[i] - 1;
    }
    *at = i;
    return RULES_NONE;
}

uint32_t rules_lookup(const rules_dictionary *d, const char *text, size_t n)
{
    uint32_t at;
    return d->n == 0 || n == 0 ? RULES_NONE : find(d, text, n, hash(text, n), &at);
}

/* Doubles the room: at most half of the slots are ever taken. */
static bool grow(rules_pool *p, rules_dictionary *d)
{
    const sinter_host *host = p->host;
    uint32_t room = d->room == 0 ? 64 : d->room * 2;
    struct rules_entry *entry = host->alloc(host, room * sizeof *entry);
    uint32_t *slot = host->alloc(host, 2 * (size_t)room * sizeof *slot);
    if (entry == NULL || slot == NULL) {
        if (entry != NULL) host->free(host, entry);
        if (slot != NULL) host->free(host, slot);
        return false;
    }
    memset(slot, 0, 2 * (size_t)room * sizeof *slot);
    uint32_t mask = 2 * room - 1;
    for (uint32_t i = 0; i < d->n; i++) {
        entry[i] = d->entry[i];
        uint32_t at = (uint32_t)entry[i].hash & mask;
        while (slot[at] != 0)
            at = (at + 1) & mask;
        slot[at] = i + 1;
    }
    uint32_t n = d->n;
    rules_dictionary_release(p, d);
    *d = (rules_dictionary){.slot = slot, .mask = mask, .n = n, .room = room, .entry = entry};
    return true;
}

uint32_t rules_intern(rules_pool *p, rules_dictionary *d, const char *text, size_t n)
{
    if (d->n == d->room && !grow(p, d)) return RULES_NONE;
    uint64_t h = hash(text, n);
    uint32_t at = 0, id = find(d, text, n, h, &at);
    if (id != RULES_NONE) return id;
    const char *copy = rules_take_text(p, text, n);
    if (copy == NULL) return RULES_NONE;
    d->entry[d->n] = (struct rules_entry){.text = copy, .size = n, .hash = h, .posting = RULES_NONE};
    d->slot[at] = ++d->n;
    return d->n - 1;
}

void rules_dictionary_release(rules_pool *p, rules_dictionary *d)
{
    if (d->slot != NULL) p->host->free(p->host, d->slot);
    if (d->entry != NULL) p->host->free(p->host, d->entry);
    *d = (rules_dictionary){0};
}
