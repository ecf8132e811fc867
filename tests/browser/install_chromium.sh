#!/bin/sh
# Finds a Chromium, or installs it with the system's package manager where that is possible.
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
line="apt-get update && apt-get install -y chromium"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "no Chromium: installing it ($line)"
  sh -c "$line" >/dev/null 2>&1 && exit 0
  echo "could not install Chromium with apt-get"
fi
echo "Browser tests will be reported as skipped. To run them: $line"
