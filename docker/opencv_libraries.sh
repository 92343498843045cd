#!/bin/sh
# Sees to it that OpenCV works: its system libraries, and its contrib modules, which
# the headless wheel that albumentations brings can overwrite.
# Usage: docker/opencv_libraries.sh PYTHON
set -eu
python=$1

if ! problem=$("$python" -c 'import cv2' 2>&1); then
  case $problem in
    *libGL*|*libglib*|*libgthread*|*libxcb*|*libX*|*libSM*)
      if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        echo "OpenCV needs libGL and libglib: installing libgl1 and libglib2.0-0"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libgl1 libglib2.0-0 > /dev/null
      else
        echo "OpenCV needs libGL and libglib. On Debian or Ubuntu:" \
          "sudo apt-get install libgl1 libglib2.0-0. Then run make setup again." >&2
        exit 2
      fi ;;
  esac
fi

if ! "$python" -c 'import cv2; cv2.ximgproc' 2> /dev/null; then
  version=$("$python" -c 'from importlib.metadata import version
print(version("opencv-contrib-python"))')
  "$python" -m pip install --quiet --force-reinstall --no-deps \
    "opencv-contrib-python==$version"
  "$python" -c 'import cv2; cv2.ximgproc'
fi
