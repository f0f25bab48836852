/*
 * The list of containers, read as it arrives.
 *
 * Happy path: the text between the outer brackets is cut into elements by counting brackets outside of
 * strings; each element is parsed by itself and thrown away, so memory does not follow the list's length.
 * Failure: text that is no list of objects with an Id, an element or a list above its cap, and a list
 * that ends early are refused; what was delivered before stays delivered.
 * Not done: of an element only id and state are read, and the rest is digested; what it means comes from
 * inspects.
 */
#include "docker/decode.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"

enum list_state {
    LIST_S_BEGIN,   /* before '[' */
    LIST_S_FIRST,   /* behind '[': an element or ']' */
    LIST_S_ELEMENT, /* inside an element */
    LIST_S_BEHIND,  /* behind an element: ',' or ']' */
    LIST_S_NEXT,    /* behind ',': an element */
    LIST_S_END,     /* behind ']': blanks only */
};

void docker_list_init(struct docker_list *l)
{
    *l = (struct docker_list){.item = BUF_INIT(DOCKER_ITEM_MAX), .state = LIST_S_BEGIN};
}

void docker_list_deinit(struct docker_list *l)
{
    buf_deinit(&l->item);
}

static enum docker_list_state parse_state(const char *text)
{
    return streq(text, "running")      ? DOCKER_LIST_RUNNING
           : streq(text, "paused")     ? DOCKER_LIST_PAUSED
           : streq(text, "restarting") ? DOCKER_LIST_RESTARTING
                                       : DOCKER_LIST_OTHER;
}

/* ---- the digest: parts are added up, because the order of ports and maps carries no meaning ---- */

static uint64_t hash_text(uint64_t seed, const char *text)
{
    return hash64_more(seed, text, strlen(text) + 1);
}

static uint64_t digest_names(const json *names)
{
    uint64_t sum = 0;
    for (const json *it = json_first(names); it; it = json_next(it)) {
        const char *name = json_value(it);
        sum += hash_text(1, name ? name : "");
    }
    return sum;
}

static uint64_t digest_labels(const json *labels)
{
    uint64_t sum = 0;
    for (const json *it = json_first(labels); it; it = json_next(it)) {
        const char *value = json_value(it);
        sum += hash_text(hash_text(2, json_name(it)), value ? value : "");
    }
    return sum;
}

static uint64_t digest_ports(const json *ports)
{
    uint64_t sum = 0;
    for (const json *it = json_first(ports); it; it = json_next(it)) {
        const int64_t numbers[] = {json_int(it, "PrivatePort", 0), json_int(it, "PublicPort", 0)};
        uint64_t h = hash64_more(3, numbers, sizeof(numbers));
        sum += hash_text(hash_text(h, json_str(it, "IP", "")), json_str(it, "Type", ""));
    }
    return sum;
}

static uint64_t digest_networks(const json *networks)
{
    uint64_t sum = 0;
    for (const json *it = json_first(networks); it; it = json_next(it)) {
        uint64_t h = hash_text(4, json_name(it));
        h = hash_text(h, json_str(it, "NetworkID", ""));
        h = hash_text(h, json_str(it, "IPAddress", ""));
        sum += hash_text(h, json_str(it, "GlobalIPv6Address", ""));
    }
    return sum;
}

/* "Up 9 seconds (healthy)": what is in brackets is the health, what is before them the age. */
static const char *health_of(const char *status)
{
    const char *bracket = strrchr(status, '(');
    return bracket ? bracket : "";
}

static uint64_t digest_of(const json *root)
{
    uint64_t h = hash_text(5, json_str(root, "State", ""));
    h = hash_text(h, health_of(json_str(root, "Status", "")));
    h = hash_text(h, json_str(root, "Image", ""));
    h = hash_text(h, json_str(json_get(root, "HostConfig"), "NetworkMode", ""));
    h += digest_names(json_get(root, "Names"));
    h += digest_labels(json_get(root, "Labels"));
    h += digest_ports(json_get(root, "Ports"));
    h += digest_networks(json_path(root, "NetworkSettings", "Networks", NULL));
    return h ? h : 1;
}

static int deliver(struct docker_list *l, docker_list_fn fn, void *ctx, struct err *e)
{
    CLEANUP_JSON json *root = NULL;
    const char *id;
    int r = json_parse(&root, l->item.data, l->item.len, e);
    if (r == 0) {
        r = json_need_str(root, "container", "Id", &id, e);
    }
    if (r == 0 && !docker_id_valid(id)) {
        r = err_set(e, ERR_INVALID, -EINVAL, "container.Id: not a container id: \"%.80s\"", id);
    }
    if (r < 0) {
        err_wrap(e, "list of containers, before byte %zu", l->seen);
        return r;
    }
    struct docker_list_item item = {
        .state = parse_state(json_str(root, "State", "")),
        .digest = digest_of(root),
    };
    memcpy(item.id, id, sizeof(item.id));
    buf_reset(&l->item);
    return fn(ctx, &item);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Length of what belongs to the element that is being read; *ret_over when it ends there. */
static size_t scan_element(struct docker_list *l, const char *p, size_t len, bool *ret_over)
{
    for (size_t i = 0; i < len; i++) {
        char c = p[i];
        if (l->in_string) {
            bool escaped = l->escaped;
            l->escaped = !escaped && c == '\\';
            l->in_string = escaped || c != '"';
        } else if (c == '"') {
            l->in_string = true;
        } else if (c == '{' || c == '[') {
            l->depth++;
        } else if ((c == '}' || c == ']') && --l->depth == 0) {
            *ret_over = true;
            return i + 1;
        }
    }
    *ret_over = false;
    return len;
}

static int unexpected(const struct docker_list *l, char c, struct err *e)
{
    return err_set(e, ERR_INVALID, -EINVAL,
                   "list of containers: not a list of objects at byte %zu ('%c')", l->seen, c);
}

/* One byte outside of the elements. */
static int step(struct docker_list *l, char c, struct err *e)
{
    switch ((enum list_state)l->state) {
    case LIST_S_BEGIN:
        if (c == '[') {
            l->state = LIST_S_FIRST;
            return 0;
        }
        break;
    case LIST_S_BEHIND:
        if (c == ',' || c == ']') {
            l->state = c == ',' ? LIST_S_NEXT : LIST_S_END;
            return 0;
        }
        break;
    case LIST_S_FIRST:
    case LIST_S_NEXT:
        if (c == '{') {
            l->state = LIST_S_ELEMENT;
            return 0;
        }
        if (c == ']' && l->state == LIST_S_FIRST) {
            l->state = LIST_S_END;
            return 0;
        }
        break;
    case LIST_S_ELEMENT:
    case LIST_S_END:
        break;
    }
    return unexpected(l, c, e);
}

int docker_list_feed(struct docker_list *l, const char *p, size_t len, docker_list_fn fn, void *ctx,
                     struct err *e)
{
    if (len > DOCKER_LIST_MAX - l->seen) {
        return err_set(e, ERR_INVALID, -EMSGSIZE, "list of containers: longer than %u bytes",
                       DOCKER_LIST_MAX);
    }
    const char *end = p + len;
    while (p < end) {
        if (l->state != LIST_S_ELEMENT) {
            int r = is_blank(*p) ? 0 : step(l, *p, e);
            if (r < 0) {
                return r;
            }
            if (l->state != LIST_S_ELEMENT) {
                l->seen++;
                p++;
                continue;
            }
        }
        bool over;
        size_t n = scan_element(l, p, (size_t)(end - p), &over);
        buf_append(&l->item, p, n);
        l->seen += n;
        p += n;
        if (buf_error(&l->item)) {
            return err_set(e, ERR_INVALID, buf_error(&l->item),
                           "list of containers: an element longer than %u bytes", DOCKER_ITEM_MAX);
        }
        if (over) {
            l->state = LIST_S_BEHIND;
            int r = deliver(l, fn, ctx, e);
            if (r != 0) {
                return r;
            }
        }
    }
    return 0;
}

int docker_list_finish(const struct docker_list *l, struct err *e)
{
    if (l->state != LIST_S_END) {
        return err_set(e, ERR_INVALID, -EINVAL, "list of containers: ends early, at byte %zu",
                       l->seen);
    }
    return 0;
}
