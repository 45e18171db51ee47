# Sourced by steps that need a running server. Starts the binary on a free port and stops it at the end.
#
#   serve NAME ARGUMENT...   sets $base_url and $token_file; the log is $work/NAME.log

work=$(mktemp -d)
server=""

stop() { # stops the server by its process id; returns its exit code
    [ -n "$server" ] || return 0
    local status=0 pid=$server
    server=""
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" || status=$?
    return "$status"
}

on_exit() { # a step may redefine this to stop other programs after the server
    true
}

cleanup() {
    stop || true
    on_exit
    rm -rf "$work"
}
trap cleanup EXIT

serve() {
    local name="$1" line
    shift
    mkfifo "$work/$name.ready"
    "${CARGO_TARGET_DIR:-target}/debug/artifact" serve --listen 127.0.0.1:0 --data-dir "$work/$name" \
        --log-level warn "$@" >"$work/$name.ready" 2>"$work/$name.log" &
    server=$!
    if ! read -r line <"$work/$name.ready"; then
        cat "$work/$name.log"
        return 1
    fi
    base_url=${line#listening on }
    token_file="$work/$name/admin-token"
    echo "$name: $line"
}
