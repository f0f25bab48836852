/*
 * --filter label=K[=GLOB] | name=GLOB | network=GLOB | image=GLOB
 *
 * Happy path: no filter, or one alternative of each key matches. A filter that passed
 * mapping_filter_check() is always understood here.
 */
#include "mapping/filter.h"

#include "base/must.h"
#include "base/str.h"
#include "mapping/text.h"

#include <errno.h>
#include <string.h>

enum filter_key { FILTER_LABEL, FILTER_NAME, FILTER_NETWORK, FILTER_IMAGE };

struct filter {
    enum filter_key key;
    const char *label; /* of FILTER_LABEL: its name, label_len bytes */
    size_t label_len;
    const char *glob; /* NULL: the label need only exist */
};

static bool parse(const char *text, struct filter *ret)
{
    static const struct {
        const char *prefix;
        enum filter_key key;
    } keys[] = {{"label=", FILTER_LABEL},
                {"name=", FILTER_NAME},
                {"network=", FILTER_NETWORK},
                {"image=", FILTER_IMAGE}};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!str_starts(text, keys[i].prefix)) {
            continue;
        }
        const char *value = text + strlen(keys[i].prefix);
        *ret = (struct filter){.key = keys[i].key, .glob = value};
        if (ret->key == FILTER_LABEL) {
            ret->label = value;
            ret->label_len = strcspn(value, "=");
            ret->glob = value[ret->label_len] ? value + ret->label_len + 1 : NULL;
            return ret->label_len > 0;
        }
        return *value != '\0';
    }
    return false;
}

int mapping_filter_check(const char *filter, struct err *e)
{
    struct filter f;
    if (parse(filter, &f)) {
        return 0;
    }
    return err_set(e, ERR_INVALID, -EINVAL,
                   "\"%s\" is not a filter; allowed are label=NAME, label=NAME=GLOB, name=GLOB, "
                   "network=GLOB and image=GLOB",
                   filter);
}

static bool same_key(const struct filter *a, const struct filter *b)
{
    if (a->key != b->key) {
        return false;
    }
    return a->key != FILTER_LABEL ||
           (a->label_len == b->label_len && memcmp(a->label, b->label, a->label_len) == 0);
}

static bool matches_label(const struct filter *f, const struct container *c)
{
    for (size_t i = 0; i < c->s.n_labels; i++) {
        const struct container_kv *kv = &c->s.labels[i];
        if (strncmp(kv->key, f->label, f->label_len) == 0 && kv->key[f->label_len] == '\0') {
            return !f->glob || str_glob(f->glob, kv->value);
        }
    }
    return false;
}

/* As typed, or without tag and digest: `nginx` is meant to match nginx:1.25. */
static bool matches_image(const struct filter *f, const struct container *c, struct arena *a)
{
    const char *image = c->s.image;
    if (str_glob(f->glob, image)) {
        return true;
    }
    size_t len = strcspn(image, "@");
    for (size_t i = len; i > 0 && image[i - 1] != '/'; i--) {
        if (image[i - 1] == ':') {
            len = i - 1;
        }
    }
    return str_glob(f->glob, arena_memdup0(a, image, len));
}

static bool matches(const struct filter *f, const struct container *c, struct arena *a)
{
    switch (f->key) {
    case FILTER_LABEL:
        return matches_label(f, c);
    case FILTER_NAME:
        return str_glob(f->glob, c->s.name);
    case FILTER_IMAGE:
        return matches_image(f, c, a);
    case FILTER_NETWORK:
        for (size_t i = 0; i < c->s.n_networks; i++) {
            if (str_glob(f->glob, c->s.networks[i].name)) {
                return true;
            }
        }
        return false;
    }
    return false;
}

const char *filter_refuses(const struct mapping_options *o, const struct container *c,
                           struct arena *a)
{
    for (size_t i = 0; i < o->n_filters; i++) {
        struct filter key, f;
        must(parse(o->filters[i], &key));
        bool matched = false, alternatives = false;
        for (size_t j = 0; j < o->n_filters && !matched; j++) {
            must(parse(o->filters[j], &f));
            if (same_key(&key, &f)) {
                alternatives |= j != i;
                matched = matches(&f, c, a);
            }
        }
        if (!matched) {
            return arena_printf(a, "--filter %s does not match it%s",
                                text_clean(a, o->filters[i], TEXT_LABEL_MAX),
                                alternatives ? ", nor does another filter of this kind" : "");
        }
    }
    return NULL;
}
