# shellcheck shell=bash
# Starts the daemons that a trial needs, each in a folder of its own, and stops exactly those again.
# Nothing that was already running is touched, and no firewall rule of the machine is changed.

DAEMON_PIDS=()
DAEMON_BRIDGE=
DAEMON_ENGINE=

wait_until() { # wait_until SECONDS COMMAND…: runs COMMAND until it succeeds
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
}

# In a session of its own, so that Ctrl-C reaches this script alone, which then ends them in order.
daemon_start() { # daemon_start LOG COMMAND…: sets DAEMON_PID
    local log=$1
    shift
    setsid "$@" </dev/null >"$log" 2>&1 &
    DAEMON_PID=$!
    DAEMON_PIDS+=("$DAEMON_PID")
}

daemon_stop() { # daemon_stop PID
    kill -TERM "$1" 2>/dev/null || return 0
    wait_until 20 daemon_gone "$1" || kill -KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null || true
}

daemon_gone() {
    ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

daemons_stop() { # those of daemon_start, the last one first
    local i
    for ((i = ${#DAEMON_PIDS[@]} - 1; i >= 0; i--)); do
        daemon_stop "${DAEMON_PIDS[i]}"
    done
    DAEMON_PIDS=()
    # dockerd leaves its data folder bound onto itself, and network namespaces.
    if [ -n "$DAEMON_ENGINE" ]; then
        awk -v dir="$DAEMON_ENGINE/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | tac |
            xargs -r umount 2>/dev/null || true
    fi
    [ -z "$DAEMON_BRIDGE" ] || ip link del "$DAEMON_BRIDGE" 2>/dev/null || true
    DAEMON_ENGINE='' DAEMON_BRIDGE=''
}

free_port() { # a TCP port on loopback that nobody listens on
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        if ! (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    return 1
}

engine_answers() { # engine_answers DOCKER-HOST
    timeout 10 docker -H "$1" version --format '{{.Server.Version}}' 2>/dev/null
}

engine_find() { # prints the DOCKER_HOST of an engine that is running, if any
    local host
    for host in ${DOCKER_HOST:+"$DOCKER_HOST"} unix:///var/run/docker.sock; do
        if engine_answers "$host" >/dev/null; then
            echo "$host"
            return
        fi
    done
    return 1
}

# A bridge of its own and no iptables: published ports go through docker-proxy, and whatever firewall
# or other engine is there stays as it is.
engine_start() { # engine_start FOLDER: prints nothing, answers at unix://FOLDER/docker.sock
    local dir=$1 net i
    mkdir -p "$dir"
    cgroups_mount
    for i in $(seq 200 250); do
        net=10.213.$i
        [ -z "$(ip route show "$net.0/24")" ] && break
    done
    DAEMON_BRIDGE=twbr$((RANDOM % 10000))
    DAEMON_ENGINE=$dir
    ip link add "$DAEMON_BRIDGE" type bridge
    ip addr add "$net.1/24" dev "$DAEMON_BRIDGE"
    ip link set "$DAEMON_BRIDGE" up
    PATH=$PATH:/usr/sbin:/sbin daemon_start "$dir/log" dockerd --host "unix://$dir/docker.sock" \
        --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" \
        --bridge "$DAEMON_BRIDGE" --iptables=false --ip6tables=false --ip-masq=false
    wait_until 60 engine_answers "unix://$dir/docker.sock"
}

# A machine without systemd may have no control groups mounted, which dockerd needs.
cgroups_mount() {
    local name
    mountpoint -q /sys/fs/cgroup && return
    if grep -qw cgroup2 /proc/filesystems && ! awk '!/^#/ && $2 != 0 { exit 1 }' /proc/cgroups; then
        mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
        for name in $(awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups); do
            mkdir -p "/sys/fs/cgroup/$name"
            mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name" || rmdir "/sys/fs/cgroup/$name"
        done
    else
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
    fi
}

etcd_start() { # etcd_start FOLDER PORT PEER-PORT
    local url=http://127.0.0.1:$2 peer=http://127.0.0.1:$3
    mkdir -p "$1"
    daemon_start "$1/log" etcd --data-dir "$1/data" --listen-client-urls "$url" \
        --advertise-client-urls "$url" --listen-peer-urls "$peer" \
        --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer"
    wait_until 30 etcd_answers "$2"
}

etcd_answers() { # etcd_answers PORT
    curl -s -m 2 "http://127.0.0.1:$1/health" | grep -q true
}

# In memory only; without federation, DNS and gRPC nothing listens but what is used.
consul_start() { # consul_start FOLDER PORT
    mkdir -p "$1"
    daemon_start "$1/log" consul agent -dev -node quickstart -bind 127.0.0.1 -client 127.0.0.1 \
        -http-port "$2" -server-port "$(free_port)" -serf-lan-port "$(free_port)" \
        -serf-wan-port -1 -dns-port -1 -grpc-port -1
    wait_until 30 consul_answers "$2"
}

consul_answers() { # consul_answers PORT: with a leader, so that it takes registrations at once
    curl -s -m 2 "http://127.0.0.1:$1/v1/status/leader" | grep -q :
}
