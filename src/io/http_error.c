/*
 * curl's result → class, errno and a sentence for people. Pure but for questions to the easy handle.
 *
 * Happy path: a table maps the results that mean something special; all others are -EIO, transient.
 * A failed connect is told apart by the errno of the system call, because "no such socket", "nobody
 * listens" and "not allowed" ask different things of the reader. A server that refuses our certificate
 * does so after the handshake (TLS 1.3), as an alert in the first read or write; curl calls that a
 * receive or send error, and only the text tells.
 */
#include "io/http_internal.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/must.h"

static const struct {
    CURLcode result;
    enum err_class class;
    int code;
} table[] = {
    {CURLE_OPERATION_TIMEDOUT, ERR_TRANSIENT, -ETIMEDOUT},
    {CURLE_COULDNT_RESOLVE_HOST, ERR_TRANSIENT, -EHOSTUNREACH},
    {CURLE_GOT_NOTHING, ERR_TRANSIENT, -ECONNRESET},
    {CURLE_PARTIAL_FILE, ERR_TRANSIENT, -ECONNRESET},
    {CURLE_SEND_ERROR, ERR_TRANSIENT, -ECONNRESET},
    {CURLE_RECV_ERROR, ERR_TRANSIENT, -ECONNRESET},
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_TRANSIENT, -EPROTO}, /* an answer that is no HTTP/1 */
    {CURLE_WEIRD_SERVER_REPLY, ERR_TRANSIENT, -EPROTO},
    {CURLE_BAD_CONTENT_ENCODING, ERR_TRANSIENT, -EPROTO},
    {CURLE_SSL_CONNECT_ERROR, ERR_TRANSIENT, -EPROTO},
    {CURLE_PEER_FAILED_VERIFICATION, ERR_AUTH, -EACCES},
    {CURLE_SSL_CERTPROBLEM, ERR_AUTH, -EACCES},
    {CURLE_SSL_CACERT_BADFILE, ERR_AUTH, -EACCES},
    {CURLE_SSL_ISSUER_ERROR, ERR_AUTH, -EACCES},
    {CURLE_SSL_INVALIDCERTSTATUS, ERR_AUTH, -EACCES},
    {CURLE_SSL_CLIENTCERT, ERR_AUTH, -EACCES},
};

static bool is_certificate_alert(const char *text)
{
    return strstr(text, "alert") && (strstr(text, "certificate") || strstr(text, "unknown ca") ||
                                     strstr(text, "access denied"));
}

static void connect_error(struct err *e, const struct http_transfer *t)
{
    long os_errno = 0;

    must(curl_easy_getinfo(t->link.easy, CURLINFO_OS_ERRNO, &os_errno) == CURLE_OK);
    if (os_errno == 0) {
        err_set(e, ERR_TRANSIENT, -EIO, "connect to %s: %s", t->target, t->curl_text);
        return;
    }
    bool denied = os_errno == EACCES || os_errno == EPERM;
    err_set(e, denied ? ERR_AUTH : ERR_TRANSIENT, denied ? -EACCES : -(int)os_errno,
            "connect to %s: %s", t->target, strerror((int)os_errno));
}

void http_error(struct err *e, const struct http_transfer *t, CURLcode result)
{
    const char *text = t->curl_text[0] ? t->curl_text : curl_easy_strerror(result);
    enum err_class class = ERR_TRANSIENT;
    int code = -EIO;

    if (result == CURLE_COULDNT_CONNECT) {
        connect_error(e, t);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].result == result) {
            class = table[i].class;
            code = table[i].code;
        }
    }
    if (t->tls && is_certificate_alert(text)) {
        class = ERR_AUTH;
        code = -EACCES;
    }
    err_set(e, class, code, "%s: %s", t->target, text);
}
