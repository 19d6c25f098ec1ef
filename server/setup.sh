#!/bin/sh
# Makes this machine a backup server, or brings it up to date: the manual's setup.
#
#   server/setup.sh URL_of_this_machine [path to install to] [options]      see --help and docs/INSTALL.md
set -eu
source=$(cd "$(dirname "$0")/.." && pwd -P)
exec "$source/setup/backline-setup" server "$@"
