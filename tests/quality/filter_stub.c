#include "recall/recall.h"
__attribute__((weak)) void filter_match(const filter *f, const catalog_set *set, const uint32_t *item, uint32_t n, uint8_t *out){(void)f;(void)set;(void)item;for(uint32_t i=0;i<n;i++)out[i]=1;}
