/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small reader of 64-bit ELF shared objects: enough to refuse what dlopen would crash on (a truncated file is
 * SIGBUS), and to list what a plugin exports. Every offset is checked against the file's size. */
#include "plugin/plugin.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#define MACHINE EM_NONE
#endif

typedef struct image {
    const char *path;
    str bytes;
    const Elf64_Ehdr *head;
    const Elf64_Phdr *segment;
} image;

static sinter_status broken(const image *m, sinter_error *e, const char *what)
{
    return error_set(e, SINTER_INVALID, m->path, "build or copy it again", "a damaged shared object: %s", what);
}

static bool inside(const image *m, uint64_t at, uint64_t n)
{
    return at <= m->bytes.n && n <= m->bytes.n - at;
}

static sinter_status read_head(image *m, sinter_error *e)
{
    static const char *const FIX = "give the .so that the linker made";
    const unsigned char *b = (const unsigned char *)m->bytes.s;
    if (m->bytes.n < 4 || memcmp(b, ELFMAG, SELFMAG) != 0) {
        char first[32] = "it is empty";
        if (m->bytes.n) snprintf(first, sizeof first, "it begins with %02x", b[0]);
        for (size_t i = 1; i < 4 && i < m->bytes.n; i++)
            snprintf(first + strlen(first), sizeof first - strlen(first), " %02x", b[i]);
        return error_set(e, SINTER_INVALID, m->path, FIX, "not a shared object: %s", first);
    }
    if (m->bytes.n < sizeof *m->head) return broken(m, e, "its header is cut off");
    m->head = (const Elf64_Ehdr *)m->bytes.s;
    if (b[EI_CLASS] != ELFCLASS64 || b[EI_DATA] != ELFDATA2LSB || m->head->e_machine != MACHINE)
        return error_set(e, SINTER_INVALID, m->path, "rebuild it for this machine",
                         "built for another machine: ELF machine %u, this host is %u", m->head->e_machine, MACHINE);
    if (m->head->e_type != ET_DYN)
        return error_set(e, SINTER_INVALID, m->path, FIX, "not a shared object: ELF type %u, a shared object has %u",
                         m->head->e_type, ET_DYN);
    if (m->head->e_phentsize != sizeof *m->segment || m->head->e_phoff % 8 ||
        !inside(m, m->head->e_phoff, (uint64_t)m->head->e_phnum * sizeof *m->segment))
        return broken(m, e, "its program headers are cut off");
    m->segment = (const Elf64_Phdr *)(m->bytes.s + m->head->e_phoff);
    for (unsigned i = 0; i < m->head->e_phnum; i++) {
        if (m->segment[i].p_type == PT_LOAD && !inside(m, m->segment[i].p_offset, m->segment[i].p_filesz))
            return broken(m, e, "it is shorter than its segments");
    }
    return SINTER_OK;
}

/* File offset of `n` bytes at a virtual address; false: they are not in the file. */
static bool offset_of(const image *m, uint64_t address, uint64_t n, uint64_t *out)
{
    for (unsigned i = 0; i < m->head->e_phnum; i++) {
        const Elf64_Phdr *p = &m->segment[i];
        if (p->p_type != PT_LOAD || address < p->p_vaddr || address - p->p_vaddr > p->p_filesz) continue;
        uint64_t into = address - p->p_vaddr;
        if (n > p->p_filesz - into) return false;
        *out = p->p_offset + into;
        return inside(m, *out, n);
    }
    return false;
}

typedef struct tables {
    const Elf64_Dyn *dynamic;
    uint64_t n_dynamic;
    const char *text;
    uint64_t n_text;
    const Elf64_Sym *symbol;
    uint64_t n_symbols;
} tables;

static bool tag(const tables *t, int64_t which, uint64_t *out)
{
    for (uint64_t i = 0; i < t->n_dynamic && t->dynamic[i].d_tag != DT_NULL; i++) {
        if (t->dynamic[i].d_tag != which) continue;
        *out = t->dynamic[i].d_un.d_val;
        return true;
    }
    return false;
}

/* The number of dynamic symbols stands in no header: the section table gives it, and linkers always write one. */
static bool find_symbols(const image *m, tables *t)
{
    const Elf64_Ehdr *h = m->head;
    if (h->e_shentsize != sizeof(Elf64_Shdr) || h->e_shoff % 8 ||
        !inside(m, h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr)))
        return false;
    const Elf64_Shdr *section = (const Elf64_Shdr *)(m->bytes.s + h->e_shoff);
    for (unsigned i = 0; i < h->e_shnum; i++) {
        if (section[i].sh_type != SHT_DYNSYM) continue;
        if (section[i].sh_offset % 8 || !inside(m, section[i].sh_offset, section[i].sh_size)) return false;
        t->symbol = (const Elf64_Sym *)(m->bytes.s + section[i].sh_offset);
        t->n_symbols = section[i].sh_size / sizeof *t->symbol;
        return true;
    }
    return false;
}

static sinter_status read_tables(const image *m, tables *t, sinter_error *e)
{
    *t = (tables){0};
    for (unsigned i = 0; i < m->head->e_phnum; i++) {
        const Elf64_Phdr *p = &m->segment[i];
        if (p->p_type != PT_DYNAMIC) continue;
        if (p->p_offset % 8 || !inside(m, p->p_offset, p->p_filesz))
            return broken(m, e, "its dynamic table is cut off");
        t->dynamic = (const Elf64_Dyn *)(m->bytes.s + p->p_offset);
        t->n_dynamic = p->p_filesz / sizeof *t->dynamic;
    }
    uint64_t at, n, where;
    if (!tag(t, DT_STRTAB, &at) || !tag(t, DT_STRSZ, &n) || n == 0 || !offset_of(m, at, n, &where))
        return broken(m, e, "it has no table of names");
    t->text = m->bytes.s + where;
    t->n_text = n;
    if (t->text[n - 1] != '\0') return broken(m, e, "its table of names does not end");
    if (!find_symbols(m, t)) return broken(m, e, "it has no table of symbols");
    return SINTER_OK;
}

static const char *name_at(const tables *t, uint64_t at)
{
    return at < t->n_text ? t->text + at : "?";
}

static void list_symbols(const tables *t, arena *a, plugin_elf *out)
{
    const char **extra = ARENA_ARRAY(a, const char *, t->n_symbols + 1),
               **unique = ARENA_ARRAY(a, const char *, t->n_symbols + 1);
    out->extra = extra;
    out->unique = unique;
    for (uint64_t i = 0; i < t->n_symbols; i++) {
        const Elf64_Sym *s = &t->symbol[i];
        unsigned bind = ELF64_ST_BIND(s->st_info);
        const char *name = name_at(t, s->st_name);
        if (s->st_shndx == SHN_UNDEF || bind == STB_LOCAL || ELF64_ST_TYPE(s->st_info) == STT_SECTION) continue;
        if (bind == STB_GNU_UNIQUE) unique[out->n_unique++] = arena_strdup(a, name);
        if (strcmp(name, "sinter_plugin_entry") == 0)
            out->has_entry = true;
        else
            extra[out->n_extra++] = arena_strdup(a, name);
    }
}

sinter_status plugin_elf_read(const char *path, str bytes, arena *a, plugin_elf *out, sinter_error *e)
{
    image m = {.path = path, .bytes = bytes};
    tables t;
    *out = (plugin_elf){0};
    sinter_status s = read_head(&m, e);
    if (s != SINTER_OK) return s;
    out->right_machine = true;
    s = read_tables(&m, &t, e);
    if (s != SINTER_OK) return s;
    list_symbols(&t, a, out);
    const char **needed = ARENA_ARRAY(a, const char *, t.n_dynamic + 1);
    out->needed = needed;
    for (uint64_t i = 0; i < t.n_dynamic && t.dynamic[i].d_tag != DT_NULL; i++) {
        if (t.dynamic[i].d_tag == DT_NEEDED)
            needed[out->n_needed++] = arena_strdup(a, name_at(&t, t.dynamic[i].d_un.d_val));
    }
    return SINTER_OK;
}
