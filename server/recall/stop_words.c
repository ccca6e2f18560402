/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Short stop word lists, normalised as words of text are (marks and apostrophes gone), sorted by byte. */
#include "text_private.h"

#include <string.h>

static const char *const WORDS_EN[] = {
    "a", "about", "above", "after", "again", "against", "all", "am", "an", "and", "any", "are", "arent", "as", "at",
    "be", "because", "been", "before", "being", "below", "between", "both", "but", "by", "can", "cannot", "cant",
    "could", "couldnt", "did", "didnt", "do", "does", "doesnt", "doing", "dont", "down", "during", "each", "few",
    "for", "from", "further", "had", "hadnt", "has", "hasnt", "have", "havent", "having", "he", "her", "here",
    "hers", "herself", "him", "himself", "his", "how", "i", "if", "in", "into", "is", "isnt", "it", "its", "itself",
    "me", "more", "most", "my", "myself", "no", "nor", "not", "of", "off", "on", "once", "only", "or", "other",
    "our", "ours", "ourselves", "out", "over", "own", "same", "she", "should", "shouldnt", "so", "some", "such",
    "than", "that", "the", "their", "theirs", "them", "themselves", "then", "there", "these", "they", "this",
    "those", "through", "to", "too", "under", "until", "up", "very", "was", "wasnt", "we", "were", "werent", "what",
    "when", "where", "which", "while", "who", "whom", "why", "will", "with", "wont", "would", "wouldnt", "you",
    "your", "yours", "yourself", "yourselves",
};

static const char *const WORDS_DE[] = {
    "aber", "alle", "als", "also", "am", "an", "ander", "andere", "auch", "auf", "aus", "bei", "bin", "bis", "bist",
    "da", "damit", "dann", "das", "dass", "dein", "deine", "dem", "den", "der", "des", "dich", "die", "dies",
    "diese", "dieser", "dieses", "dir", "doch", "dort", "du", "durch", "ein", "eine", "einem", "einen", "einer",
    "eines", "er", "es", "euch", "euer", "fur", "hatte", "hatten", "hier", "ich", "ihm", "ihn", "ihnen", "ihr",
    "ihre", "im", "in", "ist", "ja", "jede", "jeder", "jedes", "jetzt", "kann", "kein", "keine", "man", "mein",
    "mich", "mir", "mit", "nach", "nicht", "noch", "nun", "nur", "ob", "oder", "ohne", "sehr", "sein", "seine",
    "sich", "sie", "sind", "so", "uber", "um", "und", "uns", "unser", "unter", "vom", "von", "vor", "war", "waren",
    "was", "weil", "welche", "wenn", "werden", "wie", "wir", "wird", "wo", "zu", "zum", "zur", "zwischen",
};

static const char *const WORDS_FR[] = {
    "a", "au", "aux", "avait", "avec", "ce", "ces", "cette", "dans", "de", "des", "du", "elle", "elles", "en",
    "est", "et", "etait", "ete", "etre", "eux", "il", "ils", "je", "la", "le", "les", "leur", "leurs", "lui", "ma",
    "mais", "me", "meme", "mes", "moi", "mon", "ne", "nos", "notre", "nous", "on", "ont", "ou", "par", "pas",
    "pour", "qu", "que", "qui", "sa", "sans", "se", "ses", "soi", "son", "sont", "sur", "ta", "te", "tes", "toi",
    "ton", "tu", "un", "une", "vos", "votre", "vous",
};

static const char *const WORDS_ES[] = {
    "a", "al", "algo", "ante", "antes", "como", "con", "contra", "cual", "cuando", "de", "del", "desde", "donde",
    "durante", "e", "el", "ella", "ellas", "ellos", "en", "entre", "era", "es", "esa", "ese", "eso", "esta", "este",
    "esto", "ha", "han", "hasta", "hay", "la", "las", "le", "les", "lo", "los", "mas", "me", "mi", "mucho", "muy",
    "nada", "ni", "no", "nos", "o", "os", "otra", "otro", "para", "pero", "por", "porque", "que", "quien", "se",
    "ser", "si", "sin", "sobre", "son", "su", "sus", "tambien", "te", "tiene", "todo", "tu", "un", "una", "uno",
    "unos", "y", "ya", "yo",
};

static const char *const WORDS_IT[] = {
    "a", "ad", "agli", "ai", "al", "alla", "alle", "allo", "anche", "che", "chi", "ci", "come", "con", "contro",
    "cui", "da", "dagli", "dai", "dal", "dalla", "dalle", "dei", "del", "della", "delle", "di", "dove", "e", "ed",
    "era", "gli", "ha", "hanno", "i", "il", "in", "io", "la", "le", "lei", "lo", "loro", "lui", "ma", "mi", "mia",
    "mio", "ne", "negli", "nei", "nel", "nella", "nelle", "noi", "non", "o", "per", "perche", "piu", "quale",
    "quando", "quanto", "quello", "questa", "questo", "se", "si", "sono", "su", "sua", "sue", "sugli", "sul",
    "sulla", "suo", "tra", "tu", "tuo", "un", "una", "uno", "vi", "voi",
};

static const char *const WORDS_NL[] = {
    "aan", "al", "alles", "als", "altijd", "andere", "ben", "bij", "daar", "dan", "dat", "de", "der", "deze", "die",
    "dit", "doch", "doen", "door", "dus", "een", "en", "er", "ge", "geen", "haar", "had", "heb", "hebben", "heeft",
    "hem", "het", "hier", "hij", "hoe", "hun", "ik", "in", "is", "ja", "je", "kan", "kon", "maar", "me", "meer",
    "men", "met", "mij", "mijn", "moet", "na", "naar", "niet", "niets", "nog", "nu", "of", "om", "omdat", "ons",
    "ook", "op", "over", "reeds", "te", "tegen", "toch", "toen", "tot", "u", "uit", "uw", "van", "veel", "voor",
    "want", "waren", "was", "wat", "we", "wel", "werd", "wie", "wij", "wil", "worden", "zal", "ze", "zelf", "zich",
    "zij", "zijn", "zo", "zonder", "zou",
};

static const char *const WORDS_PT[] = {
    "a", "ao", "aos", "aquela", "aquele", "as", "ate", "com", "como", "da", "das", "de", "dela", "dele", "depois",
    "do", "dos", "e", "ela", "elas", "ele", "eles", "em", "entre", "era", "essa", "esse", "esta", "este", "eu",
    "foi", "ha", "isso", "isto", "ja", "lhe", "mais", "mas", "me", "mesmo", "meu", "minha", "muito", "na", "nao",
    "nas", "nem", "no", "nos", "nossa", "nosso", "o", "os", "ou", "para", "pela", "pelo", "por", "qual", "quando",
    "que", "quem", "sao", "se", "sem", "ser", "seu", "so", "sua", "tambem", "te", "tem", "tinha", "tu", "um", "uma",
    "voce",
};

static const char *const WORDS_SV[] = {
    "alla", "ar", "att", "av", "blev", "da", "dar", "de", "dem", "den", "denna", "det", "dig", "din", "du", "efter",
    "ej", "eller", "en", "er", "ett", "for", "fran", "ha", "hade", "han", "har", "hon", "honom", "i", "icke",
    "inom", "inte", "jag", "kan", "man", "med", "men", "mig", "min", "mot", "mycket", "nagon", "nar", "ni", "nu",
    "och", "om", "oss", "over", "pa", "sa", "samma", "sedan", "sig", "sin", "skall", "skulle", "som", "till",
    "under", "upp", "ut", "utan", "vad", "var", "vara", "vem", "vi", "vid",
};

static const char *const WORDS_DA[] = {
    "af", "alle", "at", "blev", "de", "dem", "den", "denne", "der", "det", "dig", "din", "du", "efter", "eller",
    "en", "er", "et", "for", "fra", "ham", "han", "har", "have", "hun", "hvad", "hvis", "hvor", "i", "ikke", "ind",
    "jeg", "kan", "man", "med", "men", "mig", "min", "mod", "nar", "ned", "noget", "og", "ogsa", "om", "op", "os",
    "over", "pa", "sig", "sin", "skal", "som", "til", "ud", "under", "var", "ved", "vi", "vil",
};

static const char *const WORDS_NO[] = {
    "a", "alle", "at", "av", "bade", "ble", "da", "de", "deg", "dem", "den", "denne", "der", "det", "du", "eller",
    "en", "er", "et", "etter", "for", "fra", "ha", "hadde", "han", "har", "hun", "hva", "hvis", "hvor", "i", "ikke",
    "jeg", "kan", "man", "med", "meg", "men", "min", "mot", "na", "nar", "og", "ogsa", "om", "opp", "oss", "over",
    "pa", "sa", "seg", "sin", "skal", "som", "til", "under", "ut", "var", "ved", "vi", "vil",
};

static const char *const WORDS_FI[] = {
    "ei", "en", "ett", "etta", "ja", "joka", "jos", "kanssa", "kuin", "kun", "me", "mika", "mina", "mita", "mutta",
    "myos", "ne", "niin", "nyt", "olen", "oli", "on", "ovat", "se", "seka", "sina", "tai", "tama", "te", "vaan",
    "vain",
};

static const char *const WORDS_RU[] = {
    "а", "без", "бы", "был", "была", "были", "было", "быть", "в", "вам", "вас", "во", "вот", "все", "всё", "вы",
    "да", "для", "до", "его", "ее", "если", "есть", "еще", "же", "за", "и", "из", "или", "им", "их", "к", "как",
    "ко", "когда", "кто", "ли", "мне", "мы", "на", "над", "не", "него", "нее", "нет", "ни", "но", "ну", "о", "об",
    "он", "она", "они", "от", "по", "под", "при", "с", "со", "так", "также", "то", "только", "ты", "у", "уже",
    "чем", "что", "эта", "это", "этот", "я",
};

static const struct {
    const char *code;
    const char *const *word;
    uint32_t n;
} LISTS[] = {
    {"en", WORDS_EN, ARRAY_LEN(WORDS_EN)},
    {"de", WORDS_DE, ARRAY_LEN(WORDS_DE)},
    {"fr", WORDS_FR, ARRAY_LEN(WORDS_FR)},
    {"es", WORDS_ES, ARRAY_LEN(WORDS_ES)},
    {"it", WORDS_IT, ARRAY_LEN(WORDS_IT)},
    {"nl", WORDS_NL, ARRAY_LEN(WORDS_NL)},
    {"pt", WORDS_PT, ARRAY_LEN(WORDS_PT)},
    {"sv", WORDS_SV, ARRAY_LEN(WORDS_SV)},
    {"da", WORDS_DA, ARRAY_LEN(WORDS_DA)},
    {"no", WORDS_NO, ARRAY_LEN(WORDS_NO)},
    {"fi", WORDS_FI, ARRAY_LEN(WORDS_FI)},
    {"ru", WORDS_RU, ARRAY_LEN(WORDS_RU)},
};

const char *const *text_stop_words(const char *code, uint32_t *n)
{
    for (size_t i = 0; i < ARRAY_LEN(LISTS); i++)
        if (strcmp(LISTS[i].code, code) == 0) {
            *n = LISTS[i].n;
            return LISTS[i].word;
        }
    *n = 0;
    return NULL;
}
