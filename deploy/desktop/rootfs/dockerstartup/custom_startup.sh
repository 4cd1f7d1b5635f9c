#!/bin/sh
# The desktop's own start-up runs this once there is a screen: the browser and the gateway, both watched over.
set -eu
exec supervisord --nodaemon --configuration "${SUPERVISORD_CONF:-/etc/gemgate/supervisord.conf}"
