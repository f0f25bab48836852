#pragma once
/*
 * An agent as a long-running command: for `agent` and `registrator`.
 */
#include "agent/agent.h"

/* Runs it until it ends or a signal stops it; returns the exit status. */
int agent_daemon_run(const struct agent_options *options);
