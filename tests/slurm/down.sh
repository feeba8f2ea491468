#!/usr/bin/env bash
# Stops what up.sh started: down.sh FOLDER.
folder=$1
export SLURM_CONF=$folder/slurm.conf
scancel --user "$(id -un)"
sleep 1
for name in slurmd slurmctld; do
  if [ -s "$folder/$name.pid" ]; then kill "$(cat "$folder/$name.pid")"; fi
done
