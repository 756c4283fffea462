#!/usr/bin/env bash
# What the tests need beside Python: a browser, two servers, and on Linux the tools of its network. As root on Debian it is installed, else one sentence says how.
set -euo pipefail
missing=()
command -v chromium >/dev/null || command -v google-chrome >/dev/null \
    || [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ] || missing+=(chromium)
command -v nats-server >/dev/null || missing+=(nats-server)
command -v haproxy >/dev/null || missing+=(haproxy)
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
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    exit 0
fi
if [ "$(uname)" = Darwin ]; then
    echo "the tests need ${missing[*]}: brew install ${missing[*]}" >&2
else
    echo "the tests need ${missing[*]}: sudo apt-get install ${missing[*]}" >&2
fi
exit 2
