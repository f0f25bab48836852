#pragma once

/* The block of nginx's configuration that includes a file; what may be said in it differs. */
enum nginx_context { NGINX_HTTP, NGINX_STREAM };
