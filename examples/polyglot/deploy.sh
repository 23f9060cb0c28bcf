#!/bin/sh
# The shell half of the example: deploys what was pushed to the main branch.
#
# The payload is on the standard input, the rest in BECKET_*. What a sender wrote is data: it is quoted everywhere, and
# never evaluated. Exit codes: 0 done, 3 never (see becket.toml), 75 try again.
set -eu

# Only `ref` is wanted. A real script would read it with jq; sed does for a field without escapes.
ref=$(sed -n 's/.*"ref": *"\([^"\\]*\)".*/\1/p' | head -n 1)
case "$ref" in
    refs/heads/main) ;;
    refs/heads/broken) echo "cannot deploy ${ref}" >&2; exit 3 ;;
    *) echo "nothing to do for '${ref}'"; exit 0 ;;
esac

for step in build upload restart; do
    echo "${step} (task ${BECKET_TASK_ID}, attempt ${BECKET_ATTEMPT})"
    sleep 0.1
done
echo "deployed ${ref} for ${BECKET_SOURCE} delivery ${BECKET_DELIVERY_ID}"
