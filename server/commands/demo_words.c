/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The words that describe the demo shop's goods: materials, features, colours, brands, factors of taste, campaigns. */
#include "demo_words.h"

/* Groups: W wood, M metal, T textile, C ceramic, G glass, L leather, P plastic. */
const demo_grouped_words demo_materials[] = {
    {'W', {"oak", "oak wood"}},
    {'W', {"walnut", "dark hardwood"}},
    {'W', {"beech", "pale hardwood"}},
    {'W', {"bamboo", "bamboo cane"}},
    {'W', {"pine", "nordic softwood"}},
    {'W', {"willow", "woven wicker"}},
    {'M', {"stainless steel", "brushed inox"}},
    {'M', {"brass", "golden metal"}},
    {'M', {"copper", "coppered"}},
    {'M', {"cast iron", "foundry iron"}},
    {'M', {"enamel", "enamelled steel"}},
    {'M', {"aluminium", "aluminum"}},
    {'T', {"cotton", "organic cotton"}},
    {'T', {"linen", "flax cloth"}},
    {'T', {"wool", "merino", "lambswool"}},
    {'T', {"velvet", "plush pile"}},
    {'T', {"canvas", "waxed cloth"}},
    {'T', {"recycled polyester", "fabric from old bottles"}},
    {'C', {"stoneware", "fired clay"}},
    {'C', {"porcelain", "fine china"}},
    {'C', {"terracotta", "red earthenware"}},
    {'G', {"glass", "borosilicate"}},
    {'G', {"recycled glass", "remelted glass"}},
    {'G', {"crystal", "cut crystal"}},
    {'L', {"leather", "full grain hide"}},
    {'L', {"suede", "brushed hide"}},
    {'L', {"vegan leather", "cactus hide"}},
    {'P', {"recycled plastic", "plastic from the sea"}},
    {'P', {"silicone", "food grade rubber"}},
    {'P', {"bioplastic", "plastic from plants"}},
};
const size_t demo_materials_n = sizeof(demo_materials) / sizeof(demo_materials[0]);

/* Groups: l lighting, h by hand, g gifts, f furniture, s small spaces, t textiles, c kitchen, k kitchen care, o outdoors,
 * w weather, a food, b children, p paper and desk, d pets. */
const demo_grouped_words demo_features[] = {
    {'l', {"dimmable", "with adjustable brightness"}},
    {'l', {"usb rechargeable", "charges by cable"}},
    {'l', {"low energy", "sips electricity"}},
    {'l', {"motion sensor", "wakes when you pass"}},
    {'h', {"handmade", "made by hand"}},
    {'h', {"limited edition", "small series"}},
    {'g', {"gift boxed", "ready to give"}},
    {'g', {"personalised", "with your initials"}},
    {'g', {"left handed", "for left handers"}},
    {'f', {"flat packed", "builds in ten minutes"}},
    {'f', {"with castors", "on wheels"}},
    {'f', {"height adjustable", "grows with you"}},
    {'s', {"space saving", "for tiny flats"}},
    {'s', {"wall mounted", "hangs on the wall"}},
    {'s', {"stackable", "piles up neatly"}},
    {'t', {"machine washable", "goes in the washer"}},
    {'t', {"extra soft", "gentle on skin"}},
    {'t', {"hypoallergenic", "kind to allergies"}},
    {'t', {"quick drying", "dries in no time"}},
    {'t', {"non iron", "never needs pressing"}},
    {'c', {"dishwasher safe", "survives the dishwasher"}},
    {'c', {"induction ready", "works on induction"}},
    {'c', {"oven proof", "goes in the oven"}},
    {'c', {"microwave safe", "fine in microwaves"}},
    {'k', {"non stick", "nothing sticks"}},
    {'k', {"leak proof", "spills nothing"}},
    {'k', {"easy grip", "kind to sore hands"}},
    {'o', {"waterproof", "keeps the rain out"}},
    {'o', {"frost proof", "stays out all winter"}},
    {'o', {"foldable", "folds flat"}},
    {'o', {"rust free", "will not corrode"}},
    {'w', {"lightweight", "hardly weighs anything"}},
    {'w', {"reflective", "seen in headlights"}},
    {'w', {"windproof", "stops the wind"}},
    {'w', {"insulated", "keeps the warmth in"}},
    {'a', {"organic", "grown without sprays"}},
    {'a', {"fair trade", "fairly paid growers"}},
    {'a', {"sugar free", "without added sugar"}},
    {'a', {"vegan", "plant based"}},
    {'a', {"gluten free", "without wheat"}},
    {'b', {"child safe", "safe for little ones"}},
    {'b', {"educational", "for curious minds"}},
    {'b', {"for toddlers", "from age two"}},
    {'b', {"splinter free", "sanded smooth"}},
    {'p', {"refillable", "takes refills"}},
    {'p', {"acid free", "will not yellow"}},
    {'p', {"pocket sized", "fits a coat pocket"}},
    {'d', {"chew resistant", "stands up to teeth"}},
    {'d', {"odour free", "never smells"}},
    {'d', {"for senior pets", "easy on old joints"}},
};
const size_t demo_features_n = sizeof(demo_features) / sizeof(demo_features[0]);

const demo_colour_words demo_colours[] = {
    {"charcoal", {"black", "jet black", "ebony"}},
    {"cream", {"white", "snow white"}},
    {"charcoal", {"grey", "slate", "stone grey"}},
    {"grey", {"charcoal", "dark grey"}},
    {"white", {"cream", "off white", "ivory"}},
    {"blue", {"navy", "dark blue", "midnight blue"}},
    {"navy", {"blue", "cobalt"}},
    {"green", {"sage", "pale green"}},
    {"sage", {"green", "forest", "bottle green"}},
    {"rust", {"red", "scarlet", "pillar box red"}},
    {"red", {"rust", "burnt orange"}},
    {"mustard", {"yellow", "lemon"}},
    {"yellow", {"mustard", "ochre"}},
    {"plum", {"pink", "blush", "dusty rose"}},
    {"pink", {"plum", "aubergine", "deep purple"}},
    {"cream", {"sand", "beige", "oatmeal"}},
};
const size_t demo_colours_n = sizeof(demo_colours) / sizeof(demo_colours[0]);

const demo_factor_words demo_factor_names[DEMO_FACTORS] = {
    {"modern_traditional", {"minimalist", "contemporary", "scandinavian"}, {"classic", "vintage", "heritage"}},
    {"bright_muted", {"cheerful", "vivid", "striped"}, {"understated", "quiet", "tonal"}},
    {"natural_technical", {"rustic", "earthy", "botanical"}, {"sleek", "engineered", "clever"}},
    {"rugged_delicate", {"sturdy", "heavy duty", "rugged"}, {"delicate", "slender", "airy"}},
    {"playful_sober", {"playful", "whimsical", "quirky"}, {"plain", "sober", "honest"}},
    {"lavish_frugal", {"opulent", "sumptuous", "grand"}, {"everyday", "simple", "no frills"}},
    {"small_generous", {"compact", "neat", "petite"}, {"generous", "roomy", "oversized"}},
    {"artisan_industrial", {"artisan", "rough hewn", "country"}, {"industrial", "workshop", "urban"}},
};

const demo_brand_words demo_brands[] = {
    {"Larkfield", {"Home", "Office", NULL}, 1},      {"Ashby & Wren", {"Home", "Bath", NULL}, 1},
    {"Northhem", {"Home", "Clothing", NULL}, 0},     {"Pellworth", {"Home", "Kitchen", NULL}, 0},
    {"Tallow Lane", {"Home", "Bath", NULL}, 0},      {"Corner House", {"Home", "Office", "Kitchen"}, -1},
    {"Brindle Mill", {"Home", "Bath", "Crafts"}, 0}, {"Juniper Row", {"Home", "Garden", NULL}, 0},
    {"Hollis Bay", {"Bath", "Home", NULL}, 1},       {"Saltmarsh", {"Bath", "Food", NULL}, 0},
    {"Plainwater", {"Bath", "Kitchen", NULL}, -1},   {"Copperkettle", {"Kitchen", NULL, NULL}, 1},
    {"Harrow & Spoon", {"Kitchen", NULL, NULL}, 0},  {"Mudlark Pottery", {"Kitchen", "Garden", NULL}, 1},
    {"Daily Bread Co", {"Kitchen", "Food", NULL}, -1}, {"Ember & Oak", {"Kitchen", "Outdoors", NULL}, 1},
    {"Quillfeather", {"Office", "Crafts", NULL}, 1}, {"Paperhouse", {"Office", NULL, NULL}, -1},
    {"Inkwell Yard", {"Office", "Crafts", NULL}, 0}, {"Deskmate", {"Office", "Home", NULL}, 0},
    {"Thistledown", {"Clothing", "Home", NULL}, 1},  {"Fairisle Knits", {"Clothing", "Crafts", NULL}, 0},
    {"Moorgate", {"Clothing", "Outdoors", NULL}, 0}, {"Plover", {"Clothing", NULL, NULL}, -1},
    {"Wetherby Rain", {"Clothing", "Pets", NULL}, 0}, {"Saddler's Row", {"Clothing", "Outdoors", NULL}, 1},
    {"Fellwalker", {"Outdoors", NULL, NULL}, 1},     {"Basecamp Nine", {"Outdoors", NULL, NULL}, 0},
    {"Pocket Trail", {"Outdoors", NULL, NULL}, -1},  {"Spokeworks", {"Outdoors", NULL, NULL}, 0},
    {"Meadowlark", {"Garden", "Food", NULL}, 0},     {"Potting Shed", {"Garden", NULL, NULL}, -1},
    {"Ironroot", {"Garden", NULL, NULL}, 1},         {"Wild Verge", {"Garden", "Pets", NULL}, 0},
    {"Sunday Terrace", {"Garden", "Home", NULL}, 1}, {"Hedge & Hive", {"Garden", "Food", NULL}, 0},
    {"Leaf Street", {"Food", NULL, NULL}, 0},        {"Old Granary", {"Food", NULL, NULL}, -1},
    {"Cocoa Press", {"Food", NULL, NULL}, 1},        {"Three Orchards", {"Food", NULL, NULL}, 0},
    {"Tumbletop", {"Children", NULL, NULL}, 0},      {"Little Otter", {"Children", "Bath", NULL}, 1},
    {"Rookery Games", {"Children", NULL, NULL}, 0},  {"Bobbin & Bear", {"Children", "Crafts", NULL}, -1},
    {"Muddy Paw", {"Pets", NULL, NULL}, -1},         {"Whiskerwood", {"Pets", NULL, NULL}, 1},
    {"Good Boy Goods", {"Pets", "Outdoors", NULL}, 0}, {"Hank & Needle", {"Crafts", NULL, NULL}, 0},
    {"Easel Street", {"Crafts", "Office", NULL}, 0}, {"Skein", {"Crafts", "Clothing", NULL}, 1},
};
const size_t demo_brands_n = sizeof(demo_brands) / sizeof(demo_brands[0]);

const demo_size_words demo_sizes[] = {
    {'c', {"20 cm", "28 cm", "35 cm", "45 cm", "60 cm", "90 cm"}},
    {'l', {"0.5 litre", "1 litre", "1.5 litre", "2 litre", "5 litre", "10 litre"}},
    {'s', {"single", "pair", "set of 2", "set of 4", "set of 6", "set of 12"}},
    {'w', {"XS", "S", "M", "L", "XL", "XXL"}},
    {'g', {"50 g", "100 g", "200 g", "250 g", "500 g", "1 kg"}},
    {'m', {"1 m", "2 m", "3 m", "5 m", "10 m", "20 m"}},
    {'b', {"single bed", "small double", "double bed", "king size", "super king", "cot size"}},
    {'a', {"A6", "A5", "B5", "A4", "square", "pocket"}},
    {'i', {"11 inch", "13 inch", "14 inch", "15 inch", "16 inch", "17 inch"}},
    {'k', {"2.5 mm", "3 mm", "4 mm", "5 mm", "6 mm", "8 mm"}},
    {'p', {"for 1", "for 2", "for 3", "for 4", "for 6", "for 8"}},
};
const size_t demo_sizes_n = sizeof(demo_sizes) / sizeof(demo_sizes[0]);

const demo_campaign_words demo_campaigns[] = {
    {"winter-warmth", "Winter warmth", {"Bedding", "Knitwear", "Nightwear", "Tea, coffee, cocoa"}},
    {"back-to-the-desk", "Back to the desk", {"Desk", "Stationery", "Lighting", NULL}},
    {"first-frost", "First frost", {"Wildlife", "Growing", "Rainwear", NULL}},
    {"sunday-baking", "Sunday baking", {"Baking", "Pantry", "Food storage", NULL}},
    {"table-for-twelve", "Table for twelve", {"Tableware", "Decor", "Cookware", NULL}},
    {"out-of-town", "Out of town", {"Camping", "Bags", "Picnic", NULL}},
    {"ride-all-winter", "Ride all winter", {"Cycling", "Rainwear", NULL, NULL}},
    {"new-arrivals-small", "Small new arrivals", {"Nursery", "Toys", NULL, NULL}},
    {"good-dogs", "Good dogs, cool cats", {"Dogs", "Cats", NULL, NULL}},
    {"made-by-hand", "Made by hand", {"Yarn and sewing", "Drawing and painting", "Decor", NULL}},
    {"fresh-linen", "Fresh linen", {"Towels and robes", "Bedding", "Washroom", NULL}},
    {"gifts-that-arrive", "Gifts that arrive in time", {"Treats", "Games", "Accessories", NULL}},
};
const size_t demo_campaigns_n = sizeof(demo_campaigns) / sizeof(demo_campaigns[0]);

const char *const demo_countries[] = {"Portugal", "Wales", "Denmark", "Italy", "Slovenia", "Japan",
                                      "India",    "Spain", "Estonia", "Kenya", "Poland",   "Vietnam"};
const size_t demo_countries_n = sizeof(demo_countries) / sizeof(demo_countries[0]);

const char *const demo_segments[] = {"first_flat", "young_family", "gardener",  "host",
                                     "commuter",   "maker",        "collector", "minimalist"};
const size_t demo_segments_n = sizeof(demo_segments) / sizeof(demo_segments[0]);
