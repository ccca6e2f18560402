/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Collections as ListCollections tells them, by the names that requests give. */
#ifndef SINTER_COMMANDS_COLLECTIONS_H
#define SINTER_COMMANDS_COLLECTIONS_H

#include <string.h>

#include <sinter/v1/catalog.pb-c.h>

/* An alias first, as the server has it; "=NAME" is the collection itself. NULL: none. */
static inline const Sinter__V1__Collection *collection_named(const Sinter__V1__ListCollectionsResponse *all, const char *name)
{
    bool own = name[0] == '=';
    for (size_t i = 0; i < all->n_collections && !own; i++)
        for (size_t k = 0; k < all->collections[i]->n_aliases; k++)
            if (strcmp(all->collections[i]->aliases[k], name) == 0) return all->collections[i];
    for (size_t i = 0; i < all->n_collections; i++)
        if (strcmp(all->collections[i]->name, name + own) == 0) return all->collections[i];
    return NULL;
}

#endif
