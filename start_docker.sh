#!/usr/bin/env bash
# Builds the image and opens it, with the GPU when there is one.
#
#   source start_docker.sh                    a shell with everything, for training
#   ./start_docker.sh pipenv run demo         the same image, one command
#   ./start_docker.sh inspect bottle.goodparts --source rtsp://...   the live runner
#
# Sourced or executed, in bash or zsh. dataset/, runs/ and notebooks/ are those of this
# repository, and what is written there is yours; all else in the container is gone when
# it closes. The page (8080) and the notebooks (8888) are seen from this machine alone.

if [ "${BASH_SOURCE[0]-}" != "$0" ]; then
  # In a bash of its own: no option, variable or function stays in the caller's shell.
  command bash -- "${BASH_SOURCE[0]:-${(%):-%x}}" "$@"
  return
fi

set -euo pipefail
unset CDPATH
here=$PWD
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

stop() {
  echo "error: $*" >&2
  exit 2
}

command -v docker > /dev/null ||
  stop "Docker is not installed. See https://docs.docker.com/engine/install/"
if ! system=$(docker info --format '{{json .Runtimes}} {{json .SecurityOptions}}' 2>&1)
then
  case $system in
    *"permission denied"*)
      stop "You may not use Docker. Join its group: sudo usermod -aG docker $(id -un)," \
        "then log in anew." ;;
    *)
      stop "The Docker daemon does not answer. Start it: sudo systemctl start docker," \
        "or open Docker Desktop. Docker says: ${system##*$'\n'}" ;;
  esac
fi

# Files belong to whoever calls; the root of a rootless Docker is the caller already.
user=$(id -u):$(id -g)
case $system in *name=rootless*) user=0:0 ;; esac
options=(--rm --init --interactive --user "$user" --publish 127.0.0.1:8080:8080)
if [ -t 0 ] && [ -t 1 ]; then options+=(--tty); fi

open_inspect() {
  [ $# -gt 0 ] || stop "Name a bundle: ./start_docker.sh inspect BUNDLE --source URL"
  local bundle=$1
  shift
  case $bundle in /*) ;; *) bundle=$here/$bundle ;; esac
  [ -d "$bundle" ] ||
    stop "There is no bundle $bundle. Make one with pipenv run export."
  local name
  name=/data/$(basename -- "$bundle")
  mkdir -p runs
  docker build --file docker/Dockerfile --target inspect --tag goodparts-inspect .
  exec docker run "${options[@]}" \
    --mount "type=bind,\"source=$bundle\",\"target=$name\",readonly" \
    --mount "type=bind,\"source=$PWD/runs\",target=/data/runs" \
    goodparts-inspect "$name" --out runs/live_events "$@"
}

open_train() {
  local tensorflow=tensorflow folder
  if command -v nvidia-smi > /dev/null && nvidia-smi --list-gpus > /dev/null 2>&1; then
    if [[ $system == *'"nvidia"'* ]]; then
      echo "With the GPU: $(nvidia-smi --list-gpus | head -n 1)"
      tensorflow="tensorflow[and-cuda]"
      options+=(--gpus all)
    else
      echo "There is a GPU, but Docker lacks the NVIDIA runtime: going on without." \
        "To get it: https://docs.nvidia.com/datacenter/cloud-native/container-toolkit"
    fi
  else
    echo "Without a GPU: nvidia-smi finds none."
  fi
  for folder in dataset runs notebooks; do
    mkdir -p "$folder"
    options+=(--mount "type=bind,\"source=$PWD/$folder\",target=/goodparts/$folder")
  done
  docker build --file docker/Dockerfile --target train --tag goodparts-train \
    --build-arg "TENSORFLOW=$tensorflow" .
  echo "Notebooks: jupyter lab --ip 0.0.0.0 --no-browser notebooks"
  echo "Live page: pipenv run live BUNDLE --source URL --host 0.0.0.0"
  exec docker run "${options[@]}" --publish 127.0.0.1:8888:8888 goodparts-train "$@"
}

if [ "${1-}" = inspect ]; then
  open_inspect "${@:2}"
else
  open_train "$@"
fi
