/*
 * Happy path: what a check does in words, then the digest of its definition as the register call would
 * take it. The status of a TTL check does not count: it changes with the container's health.
 *
 * Failure modes: Notes of others are recognised by what they lack. Somebody who copies ours into a check
 * of his own makes it ours; it is rewritten then.
 */
#include "registry/consul_check_notes.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/must.h"
#include "base/str.h"

#include <inttypes.h>
#include <string.h>

#define DEFINITION_MAX (1u << 20) /* far above what SERVICE_TEXT_MAX lets attributes make of it */
#define TARGET_MAX     200        /* bytes of a URL in the words */

static const char MARK[] = " [tidewaiter ";
static const char TTL_WORDS[] = "TTL ";
static const char WEIGHT_WORDS[] = ", critical because the weight is 0";

#define MARK_LEN (sizeof(MARK) - 1 + 16 + 1) /* digits and the closing bracket */

static uint64_t definition_digest(const struct consul_check *c)
{
    struct consul_check plain = *c;
    plain.notes = NULL;
    if (plain.ttl > 0) {
        plain.status = NULL;
    }
    CLEANUP(buf_deinit) struct buf b = BUF_INIT(DEFINITION_MAX);
    struct json_writer w;
    json_begin(&w, &b);
    consul_check_write(&w, &plain);
    must(buf_error(&b) == 0);
    return hash64(b.data, b.len);
}

/* Without the query, where secrets are put; cut between characters. */
static int shown_len(const char *url)
{
    size_t len = strcspn(url, "?#");
    if (len > TARGET_MAX) {
        len = TARGET_MAX;
        while (len > 0 && ((unsigned char)url[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    return (int)len;
}

static const char *words(const struct consul_check *c, struct arena *a)
{
    char ttl[CONSUL_DURATION_MAX];
    consul_duration_format(c->ttl, ttl);
    switch (c->kind) {
    case CONSUL_CHECK_HTTP:
    case CONSUL_CHECK_HTTPS:
        return arena_printf(a, "%.*s every %s", shown_len(c->http), c->http, c->interval);
    case CONSUL_CHECK_TCP:
        return arena_printf(a, "TCP to %s every %s", c->tcp, c->interval);
    case CONSUL_CHECK_GRPC:
        return arena_printf(a, "gRPC to %s every %s", c->grpc, c->interval);
    case CONSUL_CHECK_SCRIPT:
        return arena_printf(a, "script every %s", c->interval);
    case CONSUL_CHECK_CMD:
        return arena_printf(a, "check-cmd every %s", c->interval);
    case CONSUL_CHECK_DOCKER:
        return arena_printf(a, "command in the container every %s", c->interval);
    case CONSUL_CHECK_TTL:
        return arena_printf(a, "%s%s, kept alive by tidewaiter", TTL_WORDS, ttl);
    case CONSUL_CHECK_HEALTH:
        return arena_printf(a, "%s%s, as the container's HEALTHCHECK has it", TTL_WORDS, ttl);
    case CONSUL_CHECK_WEIGHT:
        return arena_printf(a, "%s%s%s", TTL_WORDS, ttl, WEIGHT_WORDS);
    }
    must(false);
    return NULL;
}

const char *consul_check_notes_make(const struct consul_check *c, struct arena *a)
{
    return arena_printf(a, "%s%s%016" PRIx64 "]", words(c, a), MARK, definition_digest(c));
}

bool consul_check_notes_ours(const char *notes)
{
    size_t len = strlen(notes);
    if (len < MARK_LEN) {
        return false;
    }
    const char *mark = notes + len - MARK_LEN;
    const char *digits = mark + sizeof(MARK) - 1;
    return str_starts(mark, MARK) && strspn(digits, "0123456789abcdef") == 16 && digits[16] == ']';
}

bool consul_check_notes_weight(const char *notes)
{
    return consul_check_notes_ttl(notes) > 0 &&
           str_starts(notes + strcspn(notes, ","), WEIGHT_WORDS);
}

msec_t consul_check_notes_ttl(const char *notes)
{
    if (!str_starts(notes, TTL_WORDS) || !consul_check_notes_ours(notes)) {
        return 0;
    }
    const char *text = notes + sizeof(TTL_WORDS) - 1;
    char duration[CONSUL_DURATION_MAX] = "";
    size_t len = strcspn(text, ",");
    msec_t ttl = 0;
    if (len >= sizeof(duration)) {
        return 0;
    }
    memcpy(duration, text, len);
    return consul_duration_parse(duration, &ttl) ? ttl : 0;
}
