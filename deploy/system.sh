#!/usr/bin/env bash
# What the tests need beside Python: a browser, four servers, and on Linux the tools of its network. As root on Debian it is installed, else one sentence says how.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin" # Debian's servers and network tools are there, which is on root's PATH only
missing=()
command -v chromium >/dev/null || command -v google-chrome >/dev/null \
    || [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ] || missing+=(chromium)
command -v nats-server >/dev/null || missing+=(nats-server)
command -v haproxy >/dev/null || missing+=(haproxy)
command -v nginx >/dev/null || missing+=(nginx)
command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing+=(postgresql) # Debian's are not on PATH
if [ "$(uname)" = Linux ]; then
    command -v unshare >/dev/null || missing+=(util-linux)
    command -v ip >/dev/null || missing+=(iproute2)
    command -v nft >/dev/null || missing+=(nftables) # the lab cuts networks and tracks connections, in namespaces of its own
    command -v conntrack >/dev/null || missing+=(conntrack)
fi
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    printf '\033[1m==>\033[0m installing %s\n' "${missing[*]}"
    apt-get update -qq
    # Tests start what they need on ports of their own: no package may start a server now (policy-rc.d) or with the machine (disable).
    # A policy that is there already is the administrator's and stays. What is made here goes again, also when apt-get fails halfway.
    policy=/usr/sbin/policy-rc.d made=
    restore() {
        [ -z "$made" ] || rm -f "$policy"
        for server in nats-server haproxy nginx postgresql; do
            case " ${missing[*]} " in *" $server "*) systemctl disable --quiet "$server" 2>/dev/null || true ;; esac
        done
    }
    trap restore EXIT
    if [ ! -e "$policy" ]; then
        made=yes
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    exit 0
fi
if [ "$(uname)" = Darwin ]; then
    echo "the tests need ${missing[*]}: brew install ${missing[*]}" >&2
else
    echo "the tests need ${missing[*]}: sudo apt-get install ${missing[*]}" >&2
fi
exit 2
