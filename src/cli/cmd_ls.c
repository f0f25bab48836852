/*
 * tidewaiter ls: the services of a registry as a table or as JSON; with --watch the changes too.
 *
 * Without --watch: one listing, printed, exit 0; a registry that gives none within the limit is an error
 * (status 1). With --watch: the table, then one line for each change until TERM or INT; while the
 * registry is out of reach nothing is printed as removed, because the reader keeps its last table.
 *
 * JSON: one array, each element the json record of the service; with --watch one object a line,
 * {"event":"added|changed|removed","service":{…}}, beginning with everything there is as added.
 */
#include "cli/command.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/columns.h"
#include "cli/start.h"
#include "config/ls_settings.h"
#include "io/timer.h"
#include "model/diff.h"
#include "tidewaiter/registry.h"

#define LIST_LIMIT_MS  10000u
#define LIST_GRACE_MS  2000u /* after the first failure: another endpoint may answer */
#define LINE_MAX_BYTES (2u * RECORD_VALUE_MAX)

struct ls_run {
    struct ls_settings settings;
    struct registry_uri uri;
    const struct registry_driver *driver;
    struct io *io;
    struct registry_reader *reader;
    struct io_signals *signals;
    struct io_timer limit;
    struct table shown;
    bool listed;
    bool lost;       /* --watch: said to be out of reach */
    struct err last; /* why there is no listing yet */
    int status;
};

static bool wanted(const struct ls_run *run, const struct service *svc)
{
    const struct option_list *globs = &run->settings.services;
    for (size_t i = 0; i < globs->n; i++) {
        if (str_glob(globs->items[i], svc->s.name)) {
            return true;
        }
    }
    return globs->n == 0;
}

/* ---- printing ---- */

static void print_json(const struct ls_run *run, const struct table *t)
{
    puts("[");
    bool first = true;
    for (size_t i = 0; i < t->n; i++) {
        if (!wanted(run, t->items[i])) {
            continue;
        }
        struct buf line = BUF_INIT(LINE_MAX_BYTES);
        struct json_writer w;
        json_begin(&w, &line);
        record_write(&w, t->items[i]);
        printf("%s  %s", first ? "" : ",\n", buf_str(&line));
        buf_deinit(&line);
        first = false;
    }
    puts(first ? "]" : "\n]");
    fflush(stdout);
}

static void print_table(const struct ls_run *run, const struct table *t)
{
    static const char *const headings[] = {"NAME", "ADDRESS", "PROTO", "STATUS", "ID", "TAGS"};
    struct columns columns;
    columns_init(&columns, headings, ARRAY_LEN(headings));
    for (size_t i = 0; i < t->n; i++) {
        const struct service *svc = t->items[i];
        if (!wanted(run, svc)) {
            continue;
        }
        struct buf address = BUF_INIT(LINE_MAX_BYTES), tags = BUF_INIT(LINE_MAX_BYTES);
        record_addr_format(&address, svc->s.host, svc->s.port);
        for (size_t k = 0; k < svc->s.n_tags; k++) {
            buf_printf(&tags, "%s%s", k ? "," : "", svc->s.tags[k]);
        }
        columns_add(&columns, (const char *const[]){
                                  svc->s.name,
                                  buf_str(&address),
                                  service_proto_name(svc->s.proto),
                                  service_status_name(svc->s.status),
                                  svc->s.id,
                                  buf_str(&tags),
                              });
        buf_deinit(&address);
        buf_deinit(&tags);
    }
    columns_print(&columns, stdout);
    columns_deinit(&columns);
}

static void print_change(void *ctx, enum diff_kind kind, const struct service *before,
                         const struct service *after)
{
    static const char *const words[] = {
        [DIFF_ADDED] = "added", [DIFF_CHANGED] = "changed", [DIFF_REMOVED] = "removed"};
    const struct ls_run *run = ctx;
    const struct service *svc = after ? after : before;
    if (!wanted(run, svc)) {
        return;
    }
    CLEANUP(buf_deinit) struct buf line = BUF_INIT(LINE_MAX_BYTES);
    if (run->settings.json) {
        struct json_writer w;
        json_begin(&w, &line);
        json_object(&w);
        json_field_str(&w, "event", words[kind]);
        json_key(&w, "service");
        record_write(&w, svc);
        json_object_end(&w);
        puts(buf_str(&line));
    } else {
        buf_printf(&line, "%-7s  %s  ", words[kind], svc->s.name);
        record_addr_format(&line, svc->s.host, svc->s.port);
        buf_printf(&line, "  %s  %s", service_status_name(svc->s.status), svc->s.id);
        CLEANUP_FREE char *shown = columns_clean(buf_str(&line));
        puts(shown);
    }
}

static void print_listing(struct ls_run *run, const struct table *t)
{
    if (run->settings.json && !run->settings.watch) {
        print_json(run, t);
    } else if (!run->settings.json && !run->listed) {
        print_table(run, t);
    } else {
        diff_tables(&run->shown, t, print_change, run);
        fflush(stdout);
    }
}

/* ---- the reader's events ---- */

static void on_closed(void *ctx)
{
    struct ls_run *run = ctx;
    io_signals_free(run->signals);
    run->signals = NULL;
}

static void end(struct ls_run *run, int status)
{
    if (run->reader) {
        run->status = status;
        io_timer_stop(&run->limit);
        run->driver->reader->close(take_ptr(run->reader), on_closed, run);
    }
}

static void on_table(void *ctx, const struct table *table, bool fresh)
{
    struct ls_run *run = ctx;
    (void)fresh;
    if (!run->reader) {
        return;
    }
    print_listing(run, table);
    run->listed = true;
    io_timer_stop(&run->limit);
    table_copy(&run->shown, table);
    if (!run->settings.watch || ferror(stdout)) { /* main() says what is wrong with stdout */
        end(run, EXIT_DONE);
    }
}

static void on_limit(struct io_timer *t)
{
    struct ls_run *run = container_of(t, struct ls_run, limit);
    log_error("no listing", "error",
              run->last.class != ERR_NONE ? run->last.msg : "the registry does not answer", NULL);
    end(run, EXIT_FAILED);
}

static void on_live(void *ctx, bool live, const struct err *why)
{
    struct ls_run *run = ctx;
    if (run->settings.watch) {
        if (!live) {
            run->lost = true;
            log_warn(run->listed ? "registry is out of reach, the list may be out of date"
                                 : "registry is out of reach, waiting for it",
                     "error", why->msg, NULL);
        } else if (run->lost) {
            run->lost = false;
            log_info("registry is followed again", NULL);
        }
    } else if (!live && !run->listed) {
        run->last = *why;
        io_timer_start(run->io, &run->limit, LIST_GRACE_MS, on_limit);
    }
}

static void on_skipped(void *ctx, const char *key, const struct err *why)
{
    (void)ctx;
    log_warn("left out a record that cannot be read", "key", key, "error", why->msg, NULL);
}

static void on_signal(void *ctx, int signal)
{
    (void)signal;
    end(ctx, EXIT_DONE);
}

static int start(struct ls_run *run, struct err *e)
{
    static const int signals[] = {SIGTERM, SIGINT, 0};
    static const struct registry_reader_events events = {
        .table = on_table, .live = on_live, .skipped = on_skipped};
    struct registry_reader_config config = {
        .uri = &run->uri,
        .once = !run->settings.watch,
        .names = run->settings.services.items,
        .n_names = run->settings.services.n,
    };
    run->driver = registry_driver_for(&run->uri);
    int r = io_new(&run->io, e);
    if (r < 0) {
        return r;
    }
    r = io_signals_new(&run->signals, run->io, signals, on_signal, run, e);
    if (r < 0) {
        return r;
    }
    r = run->driver->reader->open(&run->reader, run->io, &config, &events, run, e);
    if (r < 0) {
        io_signals_free(run->signals);
        return r;
    }
    if (!run->settings.watch) {
        io_timer_start(run->io, &run->limit, LIST_LIMIT_MS, on_limit);
    }
    return 0;
}

static int load(void *ctx, const struct options_input *input, struct err *e)
{
    return ls_settings_load(&((struct ls_run *)ctx)->settings, input, e);
}

static int prepare(void *ctx, struct err *e)
{
    struct ls_run *run = ctx;
    return start_registry(&run->settings.base, &run->settings.registry, &run->uri, e);
}

static int run_command(void *ctx)
{
    struct ls_run *run = ctx;
    struct err err = ERR_INIT;
    run->status = EXIT_FAILED;
    start_warn_password(&run->uri);
    if (start(run, &err) < 0) {
        log_error("cannot list", "error", err.msg, NULL);
    }
    if (run->io) {
        io_run(run->io);
    }
    table_deinit(&run->shown);
    io_free(run->io);
    return run->status;
}

static void release(void *ctx)
{
    struct ls_run *run = ctx;
    registry_uri_deinit(&run->uri);
}

int command_ls(int argc, char **argv)
{
    static const struct start_ops ops = {
        .load = load, .prepare = prepare, .run = run_command, .release = release};
    struct ls_run run = {0};
    return start_command(&ops, &run, &run.settings.base, &run.settings.common, argc, argv);
}
