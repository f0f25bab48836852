#pragma once
/*
 * Settings of the commands that talk to a registry, with their rows of the option table. The macros take
 * the command's settings struct and the member that holds struct registry_settings.
 */
#include "config/options.h"

struct registry_settings {
    const char *uri;  /* NULL: the embedded registry */
    bool registrator; /* not an option: the URI is read as Registrator reads it */

    const char *etcd_endpoints, *etcd_cacert, *etcd_cert, *etcd_key, *etcd_user;
    const char *etcd_password_file;
    const char *etcd_password; /* from that file, or of another tool's variable */

    const char *consul_addr, *consul_cacert, *consul_cert, *consul_key;
    const char *consul_token_file;
    const char *consul_token; /* from that file, or of Consul's variable */
    const char *consul_auth;  /* "user:password" */
    bool consul_ssl, consul_insecure;
};

#define REGISTRY_GROUP "Registry"
#define REGISTRY_EPILOGUE                                                                          \
    "REGISTRY is etcd://HOST[:2379][,HOST...][/PREFIX][?value=json|addr|grpc], "                   \
    "skydns://HOST[:2379][,HOST...]/DOMAIN, consul://[HOST[:8500]], "                              \
    "consulkv://[HOST[:8500]]/PREFIX[?value=json|addr|grpc], or file:///PATH. TLS: etcds://, "     \
    "consuls:// (also consul-tls://) and consulkvs://; a unix socket: consul-unix:///PATH. A "     \
    "URI of etcd or Consul without a host takes it from ETCDCTL_ENDPOINTS or CONSUL_HTTP_ADDR, "   \
    "else it is this host. Without REGISTRY the servers of ETCDCTL_ENDPOINTS are used where that " \
    "is set, else the embedded registry of this host; CONSUL_HTTP_ADDR alone chooses nothing: "    \
    "name consul://."

/* types and members as macro arguments: NOLINTBEGIN(bugprone-macro-parentheses) */
#define REGISTRY_ARGUMENT(settings, member)                                                        \
    {                                                                                              \
        .name = "registry", .type = OPTION_STRING, .flags = OPTION_POSITIONAL,                     \
        .offset = offsetof(struct settings, member.uri), .group = "Arguments",                     \
        .value_name = "REGISTRY", .default_words = "the embedded registry of this host",           \
        .help = "the registry, see below"                                                          \
    }

#define REGISTRY_TEXT(settings, member, option, what, variable, text)                              \
    {                                                                                              \
        .name = option, .type = OPTION_STRING, .offset = offsetof(struct settings, member),        \
        .group = REGISTRY_GROUP, .value_name = what, .env = variable, .help = text                 \
    }

/* What only the other tool's variable gives: no option, no variable of our own, no key in the file. */
#define REGISTRY_TOOLS_OWN(settings, member, option, kind, more, variable, text)                   \
    {                                                                                              \
        .name = option, .type = kind,                                                              \
        .flags = OPTION_NO_COMMAND_LINE | OPTION_NO_ENV | OPTION_NO_FILE | (more),                 \
        .offset = offsetof(struct settings, member), .group = REGISTRY_GROUP, .env = variable,     \
        .help = text                                                                               \
    }

#define REGISTRY_ETCD_OPTIONS(settings, member)                                                    \
    REGISTRY_TEXT(settings, member.etcd_cacert, "etcd-cacert", "FILE", "ETCDCTL_CACERT",           \
                  "CA certificates that etcd's certificate is checked with"),                      \
        REGISTRY_TEXT(settings, member.etcd_cert, "etcd-cert", "FILE", "ETCDCTL_CERT",             \
                      "client certificate for etcd"),                                              \
        REGISTRY_TEXT(settings, member.etcd_key, "etcd-key", "FILE", "ETCDCTL_KEY",                \
                      "key of the client certificate"),                                            \
        REGISTRY_TEXT(settings, member.etcd_user, "etcd-user", "NAME", "ETCDCTL_USER",             \
                      "user at etcd"),                                                             \
        REGISTRY_TEXT(settings, member.etcd_password_file, "etcd-password-file", "FILE", NULL,     \
                      "file that holds the user's password"),                                      \
        REGISTRY_TOOLS_OWN(settings, member.etcd_password, "etcd-password", OPTION_STRING,         \
                           OPTION_SECRET, "ETCDCTL_PASSWORD", "the user's password"),              \
        REGISTRY_TOOLS_OWN(settings, member.etcd_endpoints, "etcd-endpoints", OPTION_STRING, 0u,   \
                           "ETCDCTL_ENDPOINTS", "servers of etcd")

#define REGISTRY_CONSUL_OPTIONS(settings, member)                                                  \
    REGISTRY_TEXT(settings, member.consul_token_file, "consul-token-file", "FILE",                 \
                  "CONSUL_HTTP_TOKEN_FILE",                                                        \
                  "file that holds the ACL token for Consul, used instead of $CONSUL_HTTP_TOKEN"), \
        REGISTRY_TEXT(settings, member.consul_cacert, "consul-cacert", "FILE", "CONSUL_CACERT",    \
                      "CA certificates that Consul's certificate is checked with"),                \
        REGISTRY_TEXT(settings, member.consul_cert, "consul-cert", "FILE", "CONSUL_CLIENT_CERT",   \
                      "client certificate for Consul"),                                            \
        REGISTRY_TEXT(settings, member.consul_key, "consul-key", "FILE", "CONSUL_CLIENT_KEY",      \
                      "key of the client certificate"),                                            \
        {.name = "consul-insecure",                                                                \
         .type = OPTION_BOOL,                                                                      \
         .flags = OPTION_TOOL_NEGATED,                                                             \
         .offset = offsetof(struct settings, member.consul_insecure),                              \
         .group = REGISTRY_GROUP,                                                                  \
         .env = "CONSUL_HTTP_SSL_VERIFY",                                                          \
         .help = "do not check Consul's certificate"},                                             \
        REGISTRY_TOOLS_OWN(settings, member.consul_addr, "consul-addr", OPTION_STRING, 0u,         \
                           "CONSUL_HTTP_ADDR", "Consul's agent"),                                  \
        REGISTRY_TOOLS_OWN(settings, member.consul_ssl, "consul-ssl", OPTION_BOOL,                 \
                           OPTION_TOOL_WORD, "CONSUL_HTTP_SSL", "consul:// means TLS"),            \
        REGISTRY_TOOLS_OWN(settings, member.consul_token, "consul-token", OPTION_STRING,           \
                           OPTION_SECRET, "CONSUL_HTTP_TOKEN", "the ACL token for Consul"),        \
        REGISTRY_TOOLS_OWN(settings, member.consul_auth, "consul-auth", OPTION_STRING,             \
                           OPTION_SECRET, "CONSUL_HTTP_AUTH", "user:password at Consul's HTTP")

#define REGISTRY_OPTIONS(settings, member)                                                         \
    REGISTRY_ETCD_OPTIONS(settings, member), REGISTRY_CONSUL_OPTIONS(settings, member)
/* NOLINTEND(bugprone-macro-parentheses) */

/*
 * For finish(): a registry from ETCDCTL_ENDPOINTS where none is given; "user:password" of ETCDCTL_USER
 * taken apart; the files of password and token read; a certificate and its key only together.
 */
int registry_settings_finish(struct options_base *base, struct registry_settings *s,
                             struct err *e) WARN_UNUSED;
