#!/bin/sh
# tools/install.sh VENV ARGUMENTS...: `pip install ARGUMENTS` into a virtual environment.
# uv does it in seconds and shares files between environments; where uv cannot be had or fails,
# pip does the same more slowly.
set -eu
python=$1/bin/python
shift
export PIP_DISABLE_PIP_VERSION_CHECK=1

# uv does not read pip's settings: hand it the index, links and certificates that pip would use.
settings=$("$python" -m pip config list 2>/dev/null || true)
hand_over() { # pip's setting, uv's variable; the environment goes before files, as in pip
    values=$(printf '%s\n' "$settings" | sed -n "s/^\([a-z:]*\)\.$1='\(.*\)'\$/\1 \2/p")
    value=$(printf '%s\n' "$values" | sed -n 's/^:env: //p')
    [ -n "$value" ] || value=$(printf '%s\n' "$values" | sed -n '$s/^[a-z]* //p')
    value=$(printf '%s\n' "$value" | sed 's/\\n/ /g; s/^ *//')
    if [ -n "$value" ] && ! printenv "$2" >/dev/null; then
        export "$2=$value"
    fi
}

if "$python" -m uv --version >/dev/null 2>&1 || "$python" -m pip install --quiet uv; then
    hand_over index-url UV_DEFAULT_INDEX
    hand_over extra-index-url UV_INDEX
    hand_over find-links UV_FIND_LINKS
    hand_over cert SSL_CERT_FILE
    hand_over trusted-host UV_INSECURE_HOST
    "$python" -m uv pip install --quiet --python "$python" "$@" && exit
fi
echo "installing without uv: minutes instead of seconds" >&2
exec "$python" -m pip install --quiet "$@"
